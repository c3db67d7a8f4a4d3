// The floor: what the kernel alone costs. It accepts, answers each request with the header of a WebSocket or of an
// event stream, and makes one write for each delivery. It encodes a publication once, checks nothing, keeps nothing.
//
//	floor ws|sse
//
// It prints its port. Each line on its standard input, TOPIC SPACE DATA, is one publication to every client.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CLIENTS = 100000, BUFFER = 1 << 16 };

static int clients[MAX_CLIENTS], count; // sockets that publications go to
static int place[MAX_CLIENTS];          // of a socket in clients; -1 before it was answered
static int loop, websocket;

static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char streaming[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                                "Connection: close\r\n\r\n";

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void watch(int fd) {
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

static void deliver(int fd, const void *bytes, size_t n) {
	if (send(fd, bytes, n, MSG_NOSIGNAL) < 0) return; // the client is gone; reading will tell
}

static void publish(const char *data, size_t n) {
	static char frame[BUFFER + 16];
	size_t head;
	if (websocket) {
		frame[0] = (char)0x81;
		if (n < 126) {
			frame[1] = (char)n, head = 2;
		} else {
			frame[1] = 126, frame[2] = (char)(n >> 8), frame[3] = (char)n, head = 4;
		}
		memcpy(frame + head, data, n);
		n += head;
	} else {
		memcpy(frame, "data: ", 6);
		memcpy(frame + 6, data, n);
		memcpy(frame + 6 + n, "\n\n", 2);
		n += 8;
	}
	for (int i = 0; i < count; i++) deliver(clients[i], frame, n);
}

// control takes publications from the standard input, and ends the process with it.
static void control(void) {
	static char buffer[BUFFER];
	static size_t held;
	ssize_t n = read(0, buffer + held, sizeof buffer - held);
	if (n <= 0) exit(0);
	held += (size_t)n;
	char *line = buffer, *end;
	while ((end = memchr(line, '\n', held))) {
		char *data = memchr(line, ' ', (size_t)(end - line));
		if (data) publish(data + 1, (size_t)(end - data - 1));
		held -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(buffer, line, held);
}

static void enter(int listener) {
	int fd = accept(listener, NULL, NULL), on = 1;
	if (fd < 0) die("accept");
	if (fd >= MAX_CLIENTS) die("too many clients");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	place[fd] = -1;
	watch(fd);
}

// hear reads from a client: its request, which comes in one piece on loopback, or its end.
static void hear(int fd) {
	char buffer[4096];
	ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	if (n <= 0) {
		if (place[fd] >= 0) {
			clients[place[fd]] = clients[--count];
			place[clients[count]] = place[fd];
		}
		close(fd);
	} else if (place[fd] < 0) {
		place[fd] = count;
		clients[count++] = fd;
		deliver(fd, websocket ? upgraded : streaming, (websocket ? sizeof upgraded : sizeof streaming) - 1);
	}
}

int main(int argc, char **argv) {
	websocket = argc > 1 && !strcmp(argv[1], "ws");
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)) die("listen");
	getsockname(listener, (struct sockaddr *)&address, &size);
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);

	loop = epoll_create1(0);
	watch(0);
	watch(listener);
	for (;;) {
		struct epoll_event events[256];
		int n = epoll_wait(loop, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == 0) control();
			else if (fd == listener) enter(listener);
			else hear(fd);
		}
	}
}
