/*
 * Kills a process at the N-th of its system calls, or lets that call fail, for Tests/torture and test_torture.py.
 *
 * The calls of all threads are counted together, from the line "armed" on. strace(1) counts them for each thread, and so passes
 * over most of the points at which a process can be cut off.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#ifndef __x86_64__
#error "the registers of this processor are not known here"
#endif

static const char USAGE[] =
    "usage: fault-points [OPTION...] -p PID\n"
    "       fault-points [OPTION...] -x PROGRAM -- COMMAND [ARG...]\n\n"
    "Prints \"armed\" when it counts, \"hit N CALL\" for the point, \"seen N\" when it is told to end by SIGTERM or all has ended.\n\n"
    "  -p PID       the process, with all its threads\n"
    "  -x PROGRAM   the process that COMMAND turns into or starts which executes this file, from its first thread on\n"
    "  -s SET       what counts: effects (what others can see; the default), calls (of files and sockets), all\n"
    "  -n N         the point; 0, the default, is none\n"
    "  -a           it is killed when the call has been made, and not before that\n"
    "  -e ERROR     it is not killed: the call fails with EIO, ENOSPC or EINTR\n"
    "  -v           prints each call that counts\n";

enum { EFFECT = 1, READ = 2, DESCRIPTOR = 4, OPEN = 8, CLOSE = 16, AT = 32 };

/* What there is to cut off, or to fail. DESCRIPTOR: the first argument is one; AT: the second is the path, not the first. */
static const struct call {
    long number;
    const char *name;
    int kind;
} CALLS[] = {
    {SYS_write, "write", EFFECT | DESCRIPTOR},
    {SYS_writev, "writev", EFFECT | DESCRIPTOR},
    {SYS_pwrite64, "pwrite64", EFFECT | DESCRIPTOR},
    {SYS_sendto, "sendto", EFFECT | DESCRIPTOR},
    {SYS_sendmsg, "sendmsg", EFFECT | DESCRIPTOR},
    {SYS_sendmmsg, "sendmmsg", EFFECT | DESCRIPTOR},
    {SYS_connect, "connect", EFFECT | DESCRIPTOR},
    {SYS_shutdown, "shutdown", EFFECT | DESCRIPTOR},
    {SYS_close, "close", CLOSE | DESCRIPTOR},
    {SYS_fsync, "fsync", EFFECT | DESCRIPTOR},
    {SYS_fdatasync, "fdatasync", EFFECT | DESCRIPTOR},
    {SYS_ftruncate, "ftruncate", EFFECT | DESCRIPTOR},
    {SYS_fallocate, "fallocate", EFFECT | DESCRIPTOR},
    {SYS_flock, "flock", EFFECT | DESCRIPTOR},
    {SYS_fchmod, "fchmod", EFFECT | DESCRIPTOR},
    {SYS_open, "open", OPEN},
    {SYS_openat, "openat", OPEN | AT},
    {SYS_rename, "rename", EFFECT},
    {SYS_renameat, "renameat", EFFECT | AT},
    {SYS_renameat2, "renameat2", EFFECT | AT},
    {SYS_link, "link", EFFECT},
    {SYS_linkat, "linkat", EFFECT | AT},
    {SYS_unlink, "unlink", EFFECT},
    {SYS_unlinkat, "unlinkat", EFFECT | AT},
    {SYS_mkdir, "mkdir", EFFECT},
    {SYS_mkdirat, "mkdirat", EFFECT | AT},
    {SYS_rmdir, "rmdir", EFFECT},
    {SYS_chmod, "chmod", EFFECT},
    {SYS_read, "read", READ | DESCRIPTOR},
    {SYS_readv, "readv", READ | DESCRIPTOR},
    {SYS_pread64, "pread64", READ | DESCRIPTOR},
    {SYS_recvfrom, "recvfrom", READ | DESCRIPTOR},
    {SYS_recvmsg, "recvmsg", READ | DESCRIPTOR},
    {SYS_getdents64, "getdents64", READ | DESCRIPTOR},
    {SYS_lseek, "lseek", READ | DESCRIPTOR},
    {SYS_fstat, "fstat", READ | DESCRIPTOR},
    {SYS_newfstatat, "newfstatat", READ | AT},
    {SYS_stat, "stat", READ},
    {SYS_lstat, "lstat", READ},
    {SYS_access, "access", READ},
    {SYS_socket, "socket", READ},
};

static const struct {
    const char *name;
    int number;
} ERRORS[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}};

static enum { EFFECTS, FILES_AND_SOCKETS, ALL } set = EFFECTS;
static unsigned long point, seen;
static int error_number;
static bool is_killed_after, prints_each;
/* Nothing counts in other programs; NULL: all that is traced is the one. */
static const char *program;
static bool is_armed;
/* The thread at the point, until its call has ended. */
static pid_t at_point;

static void say(const char *what, unsigned long number, const char *name, const char *target) {
    printf("%s %lu %s %s\n", what, number, name, target);
    fflush(stdout);
}

/* All that is traced, to be let go of at the end. */
static pid_t threads[4096];
static size_t thread_count;

static void note(pid_t thread) {
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i] == thread) return;
    if (thread_count == sizeof threads / sizeof *threads) errx(1, "too many threads");
    threads[thread_count++] = thread;
}

static void drop(pid_t thread) {
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i] == thread) threads[i] = threads[--thread_count];
}

static void arm(void) {
    if (is_armed) return;
    is_armed = true;
    puts("armed");
    fflush(stdout);
}

/* What a descriptor of a thread is, as /proc names it; an empty string for one that is not open. */
static void describe(pid_t thread, int descriptor, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", thread, descriptor);
    ssize_t length = readlink(path, text, size - 1);
    text[length < 0 ? 0 : length] = 0;
}

/* The path at an address of a thread's; an empty string where there is none. */
static void read_path(pid_t thread, unsigned long address, char *text, size_t size) {
    struct iovec here = {text, size - 1}, there = {(void *)address, size - 1};
    /* Not beyond the page, behind which there may be nothing. */
    size_t left = 4096 - address % 4096;
    if (there.iov_len > left) there.iov_len = left;
    ssize_t length = process_vm_readv(thread, &here, 1, &there, 1, 0);
    text[length < 0 ? 0 : length] = 0;
}

/* Whether a descriptor is open for writing. */
static bool is_written(pid_t thread, int descriptor) {
    char path[64];
    unsigned int flags = 0;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", thread, descriptor);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    if (fscanf(file, "pos: %*s flags: %o", &flags) != 1) flags = O_RDONLY;
    fclose(file);
    return (flags & O_ACCMODE) != O_RDONLY;
}

static bool is_program(pid_t thread) {
    if (program == NULL) return true;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", thread);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return strcmp(path, program) == 0;
}

/* Whether a path is where libdispatch looks once a second what its threads do. It ends the process when it cannot. */
static bool is_state_of_thread(const char *path) {
    int end = 0;
    return sscanf(path, "/proc/%*d/stat%n", &end) == 0 && end > 0 && path[end] == 0;
}

/* The call's name if it counts, else NULL. Timers, pipes and the like are the process's own affair: `target` is of the others. */
static const char *counted(pid_t thread, const struct ptrace_syscall_info *info, char *target, size_t size) {
    static char number[24];
    *target = 0;
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        const struct call *call = &CALLS[i];
        if (call->number != (long)info->entry.nr) continue;
        bool changes = call->kind & EFFECT;
        if (call->kind & OPEN) {
            int flags = (int)info->entry.args[call->kind & AT ? 2 : 1];
            changes = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY;
        }
        if (call->kind & CLOSE) changes = is_written(thread, (int)info->entry.args[0]);
        if (call->kind & DESCRIPTOR) {
            describe(thread, (int)info->entry.args[0], target, size);
        } else if (call->number != SYS_socket) {
            read_path(thread, info->entry.args[call->kind & AT ? 1 : 0], target, size);
        }
        if (set == ALL) return call->name;
        if (set == EFFECTS && !changes) return NULL;
        if (is_state_of_thread(target)) return NULL;
        if ((call->kind & DESCRIPTOR) && (*target != '/' && strncmp(target, "socket:", 7) != 0)) return NULL;
        return call->name;
    }
    snprintf(number, sizeof number, "call-%lu", (unsigned long)info->entry.nr);
    return set == ALL ? number : NULL;
}

/* At the point itself, with the thread stopped before the call. */
static void begin_point(pid_t thread, long number) {
    if (error_number == 0 && !is_killed_after) {
        /* A fatal signal that waits at this stop keeps the call from being made. */
        kill(thread, SIGKILL);
        return;
    }
    at_point = thread;
    struct user_regs_struct registers;
    /* A close that fails has closed all the same. */
    if (is_killed_after || number == SYS_close || ptrace(PTRACE_GETREGS, thread, 0, &registers) != 0) return;
    registers.orig_rax = (unsigned long long)-1;
    ptrace(PTRACE_SETREGS, thread, 0, &registers);
}

/* The same thread when the call has been made, or not. */
static void end_point(pid_t thread) {
    at_point = 0;
    struct user_regs_struct registers;
    if (is_killed_after) {
        kill(thread, SIGKILL);
    } else if (ptrace(PTRACE_GETREGS, thread, 0, &registers) == 0) {
        registers.rax = (unsigned long long)-error_number;
        ptrace(PTRACE_SETREGS, thread, 0, &registers);
    }
}

static void at_call(pid_t thread) {
    struct ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && at_point == thread) end_point(thread);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !is_armed) return;
    char target[256];
    const char *name = counted(thread, &info, target, sizeof target);
    if (name == NULL) return;
    seen++;
    if (prints_each) say("call", seen, name, target);
    if (seen != point) return;
    say("hit", seen, name, target);
    begin_point(thread, (long)info.entry.nr);
}

/* The signal that a thread has stopped for, which it is to get; 0 for a stop of another kind. */
static int signal_of(int status) {
    int signal = WSTOPSIG(status);
    return status >> 16 != 0 || signal == SIGTRAP || signal == (SIGTRAP | 0x80) ? 0 : signal;
}

/* Lets a thread go on from where it has stopped. */
static void handle(pid_t thread, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    note(thread);
    if (signal == (SIGTRAP | 0x80)) at_call(thread);
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        ptrace(PTRACE_LISTEN, thread, 0, 0);
        return;
    }
    bool counts = is_program(thread);
    /* What the loader does before that nobody sees. */
    if (counts && event == PTRACE_EVENT_CLONE) arm();
    ptrace(counts ? PTRACE_SYSCALL : PTRACE_CONT, thread, 0, signal_of(status));
}

/* What has ended by a signal is said; a kill at the point is one. */
static void end(pid_t thread, int status) {
    drop(thread);
    if (WIFSIGNALED(status)) say("ended", (unsigned long)thread, strsignal(WTERMSIG(status)), "");
}

/* At any other stop a thread would get a signal that is none. */
static void let_all_go(void) {
    int status;
    pid_t thread;
    for (size_t i = 0; i < thread_count; i++) ptrace(PTRACE_INTERRUPT, threads[i], 0, 0);
    while (thread_count > 0 && (thread = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            end(thread, status);
        } else if (thread == at_point) {
            handle(thread, status);
        } else if (ptrace(PTRACE_DETACH, thread, 0, signal_of(status)) == 0) {
            drop(thread);
        }
    }
}

static const long OPTIONS =
    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;

static void attach(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    /* Until nothing is new: a thread that begins meanwhile is found in the next round, or comes with the one that made it. */
    bool is_traced = false;
    for (bool is_new = true; is_new;) {
        is_new = false;
        DIR *tasks = opendir(path);
        if (tasks == NULL) err(1, "%s", path);
        for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
            pid_t thread = atoi(entry->d_name);
            if (thread == 0 || ptrace(PTRACE_SEIZE, thread, 0, OPTIONS) != 0) continue;
            ptrace(PTRACE_INTERRUPT, thread, 0, 0);
            note(thread);
            is_new = is_traced = true;
        }
        closedir(tasks);
    }
    if (!is_traced) err(1, "cannot trace %d", process);
}

static void start(char **command) {
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) != 0) err(1, "pipe");
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child == 0) {
        char byte;
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 1) execvp(*command, command);
        err(127, "%s", *command);
    }
    if (ptrace(PTRACE_SEIZE, child, 0, OPTIONS) != 0) err(1, "cannot trace %d", child);
    if (write(gate[1], "", 1) != 1) err(1, "write");
    close(gate[0]);
    close(gate[1]);
}

int main(int count, char **arguments) {
    pid_t process = 0;
    for (int option; (option = getopt(count, arguments, "+p:x:s:n:e:av")) != -1;) {
        switch (option) {
        case 'p': process = atoi(optarg); break;
        case 'x': program = optarg; break;
        case 's': set = strcmp(optarg, "all") == 0 ? ALL : strcmp(optarg, "calls") == 0 ? FILES_AND_SOCKETS : EFFECTS; break;
        case 'n': point = strtoul(optarg, NULL, 10); break;
        case 'e':
            for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
                if (strcmp(optarg, ERRORS[i].name) == 0) error_number = ERRORS[i].number;
            if (error_number == 0) errx(64, "%s", USAGE);
            break;
        case 'a': is_killed_after = true; break;
        case 'v': prints_each = true; break;
        default: errx(64, "%s", USAGE);
        }
    }
    if ((process == 0) == (program == NULL) || (program != NULL && optind == count)) errx(64, "%s", USAGE);

    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    sigprocmask(SIG_BLOCK, &awaited, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (process != 0) {
        attach(process);
        arm();
    } else {
        start(arguments + optind);
    }
    for (bool is_over = false; !is_over;) {
        int status;
        pid_t thread;
        while ((thread = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
            WIFSTOPPED(status) ? handle(thread, status) : end(thread, status);
        if (thread < 0 && errno == ECHILD) break;
        is_over = sigwaitinfo(&awaited, NULL) == SIGTERM;
    }
    let_all_go();
    printf("seen %lu\n", seen);
    return 0;
}
