<?php
// Publishes a message, and prints what its topic has from then on: TIDEWIRE=http://127.0.0.1:8080 KEY=secret php client.php
[$url, $key, $cursor] = [getenv("TIDEWIRE"), getenv("KEY"), ""];
$message = json_encode(["topic" => "news", "data" => "hello from PHP"]);
$post = ["method" => "POST", "header" => "Authorization: Bearer $key", "content" => $message];
file_get_contents("$url/api/publish", false, stream_context_create(["http" => $post]));
for (;; sleep(1)) {
    $follow = ["header" => "Last-Event-ID: $cursor", "protocol_version" => 1.1, "timeout" => 60];
    $stream = @fopen("$url/push/sse?topic=news&recent=1", "r", false, stream_context_create(["http" => $follow]));
    while ($stream && ($line = fgets($stream)) !== false) {
        [$field, $value] = explode(": ", rtrim($line), 2) + ["", ""];
        if ($field === "id") $cursor = $value;
        $frame = $field === "data" ? json_decode($value) : null;
        if ($frame && $frame->type === "message") echo $frame->data, "\n";
    }
}
