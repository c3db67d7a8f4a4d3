#!/bin/sh
# Publishes a message, and prints what its topic has from then on: TIDEWIRE=http://127.0.0.1:8080 KEY=secret sh curl.sh
curl -fsS "$TIDEWIRE/api/publish" -H "Authorization: Bearer $KEY" -d '{"topic": "news", "data": "hello from curl"}'
while :; do
  curl -fsSN -H "Last-Event-ID: $cursor" "$TIDEWIRE/push/sse?topic=news&recent=1" | while IFS= read -r line; do
    case $line in 'id: '*) echo "${line#id: }" >"${TMPDIR:-/tmp}/tidewire.cursor" ;; *'"type":"message"'*) echo "${line#data: }" ;; esac
  done
  cursor=$(cat "${TMPDIR:-/tmp}/tidewire.cursor") && sleep 1
done
