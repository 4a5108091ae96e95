/*
 * The side of the control channel that answers.
 *
 * Owns the socket, the thread that waits at it, and a thread for each connection (at most
 * CONNECTIONS_MAX at once; more wait until one ends). The lock (RANK_FRONT_END) guards the table of
 * connections; no function of the library is called under it. Ends in bounded time: stopping shuts
 * all connections down, and a request that is being answered is answered.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fuse/control.h"
#include "fuse/control_answer.h"

#define CONNECTIONS_MAX 8u

struct connection {
	struct control_server *server;
	int fd; /* -1: unused */
	pthread_t thread;
	bool is_over; /* its thread is to be joined */
};

struct control_server {
	struct ubtrfs *fs;
	char path[CONTROL_PATH_MAX];
	int listener, stop; /* stop: an eventfd, readable when all is over or a connection ended */
	int place;	    /* the socket's inode, held: its number is nobody else's meanwhile */
	bool stopping;
	pthread_t thread;
	struct mutex lock;
	struct connection connections[CONNECTIONS_MAX];
};

/* ---- a connection ---- */

/* Who may ask: the owner of the mount and root. */
static bool peer_is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static bool send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		text += sent;
		len -= (size_t)sent;
	}
	return true;
}

static bool answer_line(struct connection *connection, const char *line, size_t len)
{
	struct strbuf answer;
	bool sent;

	strbuf_init(&answer);
	control_answer(connection->server->fs, line, len, &answer);
	sent = strbuf_status(&answer) == 0 && send_all(connection->fd, answer.text, answer.len);
	strbuf_fini(&answer);
	return sent;
}

/* Answers whole lines in the buffer; what is left of it moves to its front. */
static bool answer_lines(struct connection *connection, char *buffer, size_t *len)
{
	char *line = buffer, *end;

	while ((end = memchr(line, '\n', *len))) {
		size_t line_len = (size_t)(end - line);

		if (!answer_line(connection, line, line_len))
			return false;
		*len -= line_len + 1;
		line = end + 1;
	}
	memmove(buffer, line, *len);
	return true;
}

static void *serve_connection(void *arg)
{
	struct connection *connection = arg;
	struct control_server *server = connection->server;
	char *buffer = mem_alloc(CONTROL_REQUEST_MAX);
	uint64_t one = 1;
	size_t len = 0;
	ssize_t got;

	while (buffer && len < CONTROL_REQUEST_MAX) {
		got = recv(connection->fd, buffer + len, CONTROL_REQUEST_MAX - len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
		if (!answer_lines(connection, buffer, &len))
			break;
	}
	mem_free(buffer);
	shutdown(connection->fd, SHUT_RDWR);
	mutex_lock(&server->lock);
	connection->is_over = true;
	mutex_unlock(&server->lock);
	(void)!write(server->stop, &one, sizeof(one));
	return NULL;
}

/* ---- all connections ---- */

static struct connection *connection_free(struct control_server *server)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i].fd < 0)
			return &server->connections[i];
	return NULL;
}

/* Joins the threads that are over; with all those that are not, too. */
static void connections_reap(struct control_server *server, bool all)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *connection = &server->connections[i];
		bool is_over;

		mutex_lock(&server->lock);
		is_over = connection->is_over;
		mutex_unlock(&server->lock);
		if (connection->fd < 0 || (!is_over && !all))
			continue;
		shutdown(connection->fd, SHUT_RDWR);
		pthread_join(connection->thread, NULL);
		close(connection->fd);
		connection->fd = -1;
		connection->is_over = false;
	}
}

static void take_connection(struct control_server *server)
{
	struct connection *connection = connection_free(server);
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!peer_is_allowed(fd)) {
		close(fd);
		return;
	}
	connection->fd = fd;
	if (pthread_create(&connection->thread, NULL, serve_connection, connection)) {
		close(fd);
		connection->fd = -1;
	}
}

static bool is_stopping(struct control_server *server)
{
	bool stopping;

	mutex_lock(&server->lock);
	stopping = server->stopping;
	mutex_unlock(&server->lock);
	return stopping;
}

static void *serve(void *arg)
{
	struct control_server *server = arg;
	uint64_t events;

	while (!is_stopping(server)) {
		/* Without a free place nobody is let in. */
		struct pollfd wait[] = {
			{ .fd = server->stop, .events = POLLIN },
			{ .fd = connection_free(server) ? server->listener : -1, .events = POLLIN },
		};

		if (poll(wait, 2, -1) < 0)
			continue;
		if (wait[0].revents && read(server->stop, &events, sizeof(events)) > 0)
			connections_reap(server, false);
		if (wait[1].revents)
			take_connection(server);
	}
	connections_reap(server, true);
	return NULL;
}

/* ---- the socket ---- */

/* The directory is ours alone, or it is not used. */
static bool dir_is_usable(const char *dir)
{
	struct stat st;

	if (!dir[0])
		return false;
	(void)!mkdir(dir, 0700);
	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & 0022) && access(dir, W_OK) == 0;
}

static int socket_bind(struct control_server *server, dev_t dev)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char dir[CONTROL_PATH_MAX];
	unsigned n = 0;

	while (control_dir(geteuid(), n, dir) && !dir_is_usable(dir))
		n++;
	if (!control_dir(geteuid(), n, dir))
		return THROW(ERR_MOUNT, "there is no directory for the control channel");
	TRY(control_socket_path(dir, dev, server->path));
	memcpy(address.sun_path, server->path, sizeof(address.sun_path));
	/* The device number is this mount's: what stands there was left behind by another. */
	unlink(server->path);
	if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		return THROW_SYS(errno, "%s", server->path);
	server->place = open(server->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (server->place < 0 || chmod(server->path, 0600) < 0 ||
	    listen(server->listener, CONNECTIONS_MAX) < 0)
		return THROW_SYS(errno, "%s", server->path);
	return 0;
}

/*
 * The device number is free for the next mount before this one has ended: what stands there may be
 * its socket by now.
 */
static void socket_remove(const struct control_server *server)
{
	struct stat mine, there;

	if (server->place >= 0 && fstat(server->place, &mine) == 0 &&
	    lstat(server->path, &there) == 0 && mine.st_dev == there.st_dev &&
	    mine.st_ino == there.st_ino)
		unlink(server->path);
}

static int server_open(struct control_server *server, dev_t dev)
{
	server->place = -1;
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->listener < 0 || server->stop < 0)
		return THROW_SYS(errno, "the control channel cannot be made");
	TRY(socket_bind(server, dev));
	return 0;
}

static void server_free(struct control_server *server)
{
	socket_remove(server);
	if (server->place >= 0)
		close(server->place);
	if (server->listener >= 0)
		close(server->listener);
	if (server->stop >= 0)
		close(server->stop);
	mutex_fini(&server->lock);
	mem_free(server);
}

int control_server_start(struct ubtrfs *fs, dev_t dev, struct control_server **ret_server)
{
	struct control_server *server = mem_zalloc(sizeof(*server));
	int err;

	if (!server)
		return MEM_FAIL("the control channel");
	server->fs = fs;
	mutex_init(&server->lock, RANK_FRONT_END, "control channel");
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		server->connections[i] = (struct connection){ .server = server, .fd = -1 };
	err = server_open(server, dev);
	if (err == 0) {
		err = pthread_create(&server->thread, NULL, serve, server);
		err = err ? THROW_SYS(err, "cannot start a thread") : 0;
	}
	if (err < 0) {
		server_free(server);
		return err;
	}
	*ret_server = server;
	return 0;
}

void control_server_stop(struct control_server *server)
{
	uint64_t one = 1;

	if (!server)
		return;
	mutex_lock(&server->lock);
	server->stopping = true;
	mutex_unlock(&server->lock);
	(void)!write(server->stop, &one, sizeof(one));
	pthread_join(server->thread, NULL);
	server_free(server);
}
