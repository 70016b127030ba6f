/* pid.h: the answer is getpid()'s, in children and their children, and in any thread. */
#include "fastnet/pid.h"

#include <assert.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void *ask(void *arg)
{
    for (int i = 0; i < 1000; i++)
        assert(fn_pid() == *(pid_t *)arg);
    return NULL;
}

static void from_threads(void)
{
    pthread_t threads[4];
    pid_t pid = getpid();
    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, ask, &pid) == 0);
    for (int i = 0; i < 4; i++)
        assert(pthread_join(threads[i], NULL) == 0);
}

static void in_children(int depth)
{
    assert(fn_pid() == getpid());
    assert(fn_pid() == getpid());
    if (!depth)
        return;
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        in_children(depth - 1);
        _exit(0);
    }
    int status;
    assert(waitpid(child, &status, 0) == child && status == 0);
    assert(fn_pid() == getpid());
}

int main(void)
{
    from_threads();
    in_children(3);
    return 0;
}
