# Publishes a message, and prints what its topic has from then on: TIDEWIRE=http://127.0.0.1:8080 KEY=secret python3 client.py
import json, os, time
from urllib.request import Request, urlopen

url, cursor = os.environ["TIDEWIRE"], ""
message = json.dumps({"topic": "news", "data": "hello from Python"}).encode()
urlopen(Request(url + "/api/publish", message, {"Authorization": "Bearer " + os.environ["KEY"]})).close()
while True:
    try:
        for line in urlopen(Request(url + "/push/sse?topic=news&recent=1", headers={"Last-Event-ID": cursor}), timeout=60):
            field, _, value = line.decode().rstrip("\n").partition(": ")
            cursor = value if field == "id" else cursor
            if field == "data" and json.loads(value)["type"] == "message":
                print(json.loads(value)["data"], flush=True)
    except OSError as error:
        print(error)
    time.sleep(1)
