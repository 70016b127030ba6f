/* pid.h: which process this is, without asking the system each time.
 *
 * Whatever belongs to a process asks at every use whether it still is in that
 * process, and getpid() is a system call: as dear as the tag of a small frame.
 * The answer is kept in a page that the system hands to a child of fork() full
 * of zeroes (madvise(2), MADV_WIPEONFORK), so that a child asks anew.  Where
 * there is no such page, getpid() answers.
 */
#ifndef FASTNET_PID_H
#define FASTNET_PID_H

#include <sys/types.h>

/* As getpid(); for any thread. */
pid_t fn_pid(void);

#endif
