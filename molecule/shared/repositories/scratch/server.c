/* An HTTP server without anything around it: one static program in an image from scratch.
 *
 *   /         greets
 *   /healthz  "ok"
 *   /env      names of the environment's variables with the SHA-256 of each value, never a value (JSON)
 *
 * The port is in PORT (default 8080). One process per connection; SIGTERM ends it once nothing is under way.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile sig_atomic_t stopping;

static void on_term(int number) {
    (void)number;
    stopping = 1;
}

static void on_child(int number) {
    (void)number;
    int saved = errno;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    errno = saved;
}

/* ---- SHA-256 (FIPS 180-4) ---- */

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t value, int by) { return value >> by | value << (32 - by); }

static void block(uint32_t state[8], const uint8_t *data) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
        uint32_t s0 = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

static void sha256(const char *text, size_t length, char hex[65]) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t rest[128] = {0};
    size_t whole = length / 64 * 64, left = length - whole, padded = left < 56 ? 64 : 128;
    for (size_t at = 0; at < whole; at += 64)
        block(state, (const uint8_t *)text + at);
    memcpy(rest, text + whole, left);
    rest[left] = 0x80;
    for (int i = 0; i < 8; i++)
        rest[padded - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    for (size_t at = 0; at < padded; at += 64)
        block(state, rest + at);
    for (int i = 0; i < 8; i++)
        sprintf(hex + 8 * i, "%08x", (unsigned)state[i]);
}

/* ---- HTTP ---- */

static void answer(int peer, const char *status, const char *kind, const char *body) {
    char host[256] = "?";
    gethostname(host, sizeof host - 1);
    dprintf(peer, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Backend: %s\r\nConnection: close\r\n\r\n%s",
            status, kind, strlen(body), host, body);
}

static void environment(int peer) {
    size_t room = 4;
    for (char **each = environ; *each; each++)
        room += strlen(*each) + 80;
    char *body = malloc(room), *end = body;
    if (!body)
        return;
    *end++ = '{';
    for (char **each = environ; *each; each++) {
        char hex[65], *equals = strchr(*each, '=');
        if (!equals)
            continue;
        sha256(equals + 1, strlen(equals + 1), hex);
        end += sprintf(end, "%s\"%.*s\":\"%s\"", end == body + 1 ? "" : ",", (int)(equals - *each), *each, hex);
    }
    strcpy(end, "}\n");
    answer(peer, "200 OK", "application/json", body);
    free(body);
}

static void serve(int peer) {
    char request[8192];
    size_t have = 0;
    for (;;) {
        ssize_t got = read(peer, request + have, sizeof request - 1 - have);
        if (got <= 0)
            return;
        have += (size_t)got;
        request[have] = 0;
        if (strstr(request, "\r\n\r\n"))
            break;
        if (have == sizeof request - 1) {
            answer(peer, "431 Request Header Fields Too Large", "text/plain", "too long\n");
            return;
        }
    }
    if (!strncmp(request, "GET /env ", 9))
        environment(peer);
    else if (!strncmp(request, "GET /healthz ", 13))
        answer(peer, "200 OK", "text/plain", "ok\n");
    else if (!strncmp(request, "GET / ", 6))
        answer(peer, "200 OK", "text/plain", "Hello from scratch\n");
    else
        answer(peer, "404 Not Found", "text/plain", "there is no such page\n");
}

int main(void) {
    const char *port = getenv("PORT");
    struct sockaddr_in6 place = {.sin6_family = AF_INET6, .sin6_port = htons(port ? atoi(port) : 8080)};
    int on = 1, off = 0, listening = socket(AF_INET6, SOCK_STREAM, 0);
    struct sigaction term = {.sa_handler = on_term}, child = {.sa_handler = on_child};
    sigaction(SIGTERM, &term, NULL);
    sigaction(SIGINT, &term, NULL);
    sigaction(SIGCHLD, &child, NULL);
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listening, (struct sockaddr *)&place, sizeof place) || listen(listening, 512)) {
        perror("cannot listen");
        return 1;
    }
    while (!stopping) {
        int peer = accept(listening, NULL, NULL);
        if (peer < 0)
            continue;
        pid_t made = fork();
        if (made == 0) {
            close(listening);
            serve(peer);
            shutdown(peer, SHUT_RDWR);
            _exit(0);
        }
        close(peer);
    }
    close(listening);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
    }
    return 0;
}
