/** The commands to copy, by name. */
export function commands(origin, topic, cursor = "CURSOR") {
  const query = encodeURIComponent(topic || "TOPIC");
  const publish = `${origin}/push/publish?topic=${query}`;
  const follow = `${origin}/push/sse?topic=${query}`;
  return {
    publish: `curl ${quote(publish)} \\\n  -H "Authorization: Bearer KEY" -d 'hello'`,
    api: `curl ${quote(`${origin}/api/publish`)} \\\n  -H "Authorization: Bearer KEY" -d ${quote(JSON.stringify({ topic: topic || "TOPIC", data: { order: 42 } }))}`,
    follow: `curl -N ${quote(follow)}`,
    resume: `curl -N ${quote(`${follow}&since=${cursor}`)}`,
    page: `new EventSource("${follow}")\n  .onmessage = (e) => console.log(JSON.parse(e.data));`,
  };
}

/** One word to a shell, whatever it holds. */
function quote(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
