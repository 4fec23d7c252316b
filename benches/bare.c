/* The ground: what the machine itself charges.
 *
 *   bare spawn N THREADS WORD…   starts WORD… N times on THREADS threads, each by `posix_spawn` and `waitpid`
 *   bare stat FILE               calls `stat` for every path of FILE, one a line, one after another
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static atomic_long left;
static char **words;

static void *spawn(void *unused) {
    (void)unused;
    while (atomic_fetch_sub(&left, 1) > 0) {
        pid_t pid;
        int status;
        if (posix_spawnp(&pid, words[0], NULL, NULL, words, environ) != 0) exit(1);
        if (waitpid(pid, &status, 0) != pid || status != 0) exit(1);
    }
    return NULL;
}

int main(int count, char **given) {
    if (count >= 5 && strcmp(given[1], "spawn") == 0) {
        pthread_t threads[64];
        int many = atoi(given[3]);
        left = atol(given[2]);
        words = given + 4;
        for (int i = 0; i < many && i < 64; i++) pthread_create(&threads[i], NULL, spawn, NULL);
        for (int i = 0; i < many && i < 64; i++) pthread_join(threads[i], NULL);
        return 0;
    }
    if (count == 3 && strcmp(given[1], "stat") == 0) {
        FILE *list = fopen(given[2], "r");
        char *line = NULL;
        size_t room = 0;
        ssize_t length;
        long missing = 0;
        struct stat found;
        if (!list) return 2;
        while ((length = getline(&line, &room, list)) > 0) {
            line[length - 1] = 0;
            missing += stat(line, &found) != 0;
        }
        printf("%ld missing\n", missing);
        return missing != 0;
    }
    fputs("bare spawn N THREADS WORD... | bare stat FILE\n", stderr);
    return 2;
}
