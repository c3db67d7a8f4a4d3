// Publishes a message, and prints what its topic has from then on: TIDEWIRE=http://127.0.0.1:8080 KEY=secret java Client.java
import java.net.URI;
import java.net.http.*;
import java.net.http.HttpResponse.BodyHandlers;

class Client {
    static String cursor = "";

    public static void main(String[] args) throws Exception {
        String url = System.getenv("TIDEWIRE"), message = "{\"topic\": \"news\", \"data\": \"hello from Java\"}";
        var http = HttpClient.newHttpClient();
        http.send(HttpRequest.newBuilder(URI.create(url + "/api/publish")).header("Authorization", "Bearer " + System.getenv("KEY"))
                .POST(HttpRequest.BodyPublishers.ofString(message)).build(), BodyHandlers.discarding());
        for (; ; Thread.sleep(1000)) {
            try {
                var follow = HttpRequest.newBuilder(URI.create(url + "/push/sse?topic=news&recent=1")).header("Last-Event-ID", cursor).build();
                http.send(follow, BodyHandlers.ofLines()).body().forEach(line -> {
                    if (line.startsWith("id: ")) cursor = line.substring(4);
                    if (line.startsWith("data: {\"type\":\"message\"")) System.out.println(line.substring(6)); // JSON
                });
            } catch (java.io.IOException | java.io.UncheckedIOException e) {
                System.err.println(e);
            }
        }
    }
}
