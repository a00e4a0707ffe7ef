// The floor of a session in the preset :strict of Linx.Sandbox: the same system calls, COUNT times,
// no BEAM. Prints the nanoseconds that each took, one a line.
//
// usage: floor_sandbox COUNT FILTER PROGRAM [PATH...]
//
// FILTER is a file with a classic BPF program. PROGRAM becomes /program in the sandbox, each PATH
// is shown where it is.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "namespaces.h"

enum { kNobody = 65534, kLastCapability = 40, kAllFileRights = 0xffff, kScopes = 3 };

static const int kRoot = 100;

static void Must(long rc, const char* what) {
  if (rc >= 0) return;
  perror(what);
  _exit(127);
}

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void Attributes(int fd, uint64_t set, unsigned flags) {
  struct mount_attr attributes = {.attr_set = set};
  Must(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | flags, &attributes, sizeof(attributes)),
       "mount_setattr");
}

static int OpenTree(const char* path, unsigned flags) {
  const int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC | flags);
  Must(fd, path);
  return fd;
}

static int FileSystem(const char* type, unsigned attributes, const char* const* options) {
  const int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  Must(fs, type);
  for (; options[0] != NULL; options += 2) {
    Must(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options[0], options[1], 0), options[0]);
  }
  Must(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "fsconfig");
  const int mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
  Must(mount, "fsmount");
  close(fs);
  return mount;
}

// Makes the directories of a path below the root, and what it names; answers that.
static int Target(int at, const char* path, int directory) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
  if (fd >= 0) return fd;
  char parent[4096];
  snprintf(parent, sizeof(parent), "%s", path);
  char* slash = strrchr(parent, '/');
  const char* name = path;
  int above = at;
  if (slash != NULL) {
    *slash = '\0';
    name = path + (slash - parent) + 1;
    above = Target(at, parent, 1);
  }
  if (directory) {
    Must(mkdirat(above, name, 0755), name);
    fd = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  } else {
    fd = openat(above, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  }
  Must(fd, name);
  if (above != at) close(above);
  return fd;
}

static void Move(int mount, int at, const char* path) {
  struct statx what;
  Must(statx(mount, "", AT_EMPTY_PATH, STATX_TYPE, &what), "statx");
  const int target = Target(at, path, S_ISDIR(what.stx_mode));
  Must(syscall(SYS_move_mount, mount, "", target, "",
               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
       path);
  close(target);
}

static void Devices(int root) {
  static const char* const kNodes[] = {"null", "zero", "full", "random", "urandom", "tty"};
  static const char* const kLinks[][2] = {{"pts/ptmx", "ptmx"},
                                          {"/proc/self/fd", "fd"},
                                          {"/proc/self/fd/0", "stdin"},
                                          {"/proc/self/fd/1", "stdout"},
                                          {"/proc/self/fd/2", "stderr"}};
  const char* const dev[] = {"mode", "755", "size", "65536", NULL};
  const char* const pts[] = {"ptmxmode", "0666", "mode", "0620", NULL};
  const char* const shm[] = {"mode", "1777", "size", "67108864", NULL};
  const int mount = FileSystem("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, dev);
  Move(mount, root, "dev");
  for (size_t i = 0; i < sizeof kNodes / sizeof *kNodes; i++) {
    char path[32];
    snprintf(path, sizeof(path), "/dev/%s", kNodes[i]);
    const int node = OpenTree(path, 0);
    Attributes(node, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0);
    Move(node, mount, kNodes[i]);
    close(node);
  }
  Move(FileSystem("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, pts), mount, "pts");
  Move(FileSystem("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, shm), mount,
       "shm");
  for (size_t i = 0; i < sizeof kLinks / sizeof *kLinks; i++) {
    Must(symlinkat(kLinks[i][0], mount, kLinks[i][1]), kLinks[i][1]);
  }
  Attributes(mount, MOUNT_ATTR_RDONLY, 0);
}

static void MakeRoot(const char* program, char* const* paths) {
  const char* const root_options[] = {"size", "1048576", "mode", "755", NULL};
  const char* const proc[] = {"subset", "pid", "hidepid", "2", NULL};
  const char* const tmp[] = {"size", "67108864", "mode", "1777", NULL};
  const uint64_t inert = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  struct mount_attr private = {.propagation = 1 << 18 /* MS_PRIVATE */};
  Must(syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)), "/");
  int trees[64];
  int count = 0;
  for (; paths[count] != NULL && count < 63; count++) {
    trees[count] = OpenTree(paths[count], AT_RECURSIVE);
    Attributes(trees[count], inert, AT_RECURSIVE);
  }
  const int own = OpenTree(program, AT_RECURSIVE);
  Attributes(own, inert, AT_RECURSIVE);
  const int root = FileSystem("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, root_options);
  Must(dup3(root, kRoot, O_CLOEXEC), "dup3");
  Must(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH), "move_mount");
  for (int i = 0; i < count; i++) Move(trees[i], root, paths[i] + 1);
  Move(FileSystem("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, proc), root,
       "proc");
  Devices(root);
  Move(FileSystem("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, tmp), root, "tmp");
  Move(own, root, "program");
  Attributes(root, MOUNT_ATTR_RDONLY, 0);
  Must(fchdir(root), "fchdir");
  Must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  Must(syscall(SYS_umount2, ".", 2 /* MNT_DETACH */), "umount2");
  Must(chdir("/"), "chdir");
}

static void RaiseLoopback(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_name = "lo"};
  Must(ioctl(fd, SIOCGIFFLAGS, &request), "lo");
  request.ifr_flags |= IFF_UP;
  Must(ioctl(fd, SIOCSIFFLAGS, &request), "lo");
  close(fd);
}

static void GiveUpPrivileges(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  Must(syscall(SYS_setresgid, kNobody, kNobody, kNobody), "setresgid");
  Must(prctl(PR_SET_KEEPCAPS, 1), "keepcaps");
  Must(syscall(SYS_setresuid, kNobody, kNobody, kNobody), "setresuid");
  Must(prctl(PR_SET_PDEATHSIG, SIGKILL), "pdeathsig");
  Must(syscall(SYS_capget, &header, data), "capget");
  data[0].effective = data[0].permitted;
  data[1].effective = data[1].permitted;
  Must(syscall(SYS_capset, &header, data), "capset");
  for (int cap = 0; cap <= kLastCapability; cap++) {
    Must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding");
  }
  Must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "ambient");
  memset(data, 0, sizeof(data));
  Must(syscall(SYS_capset, &header, data), "capset");
}

static void AddRule(int ruleset, const char* path, uint64_t rights) {
  struct {
    uint64_t allowed_access;
    int32_t parent_fd;
  } __attribute__((packed)) rule = {rights, open(path, O_PATH | O_CLOEXEC)};
  Must(rule.parent_fd, path);
  Must(syscall(SYS_landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &rule, 0), path);
  close(rule.parent_fd);
}

static void Restrict(void) {
  const uint64_t attributes[] = {kAllFileRights, 0, kScopes};
  const int ruleset = (int)syscall(SYS_landlock_create_ruleset, attributes, sizeof(attributes), 0);
  Must(ruleset, "landlock_create_ruleset");
  AddRule(ruleset, "/", 1 | 4 | 8);
  AddRule(ruleset, "/dev/shm", kAllFileRights & ~1);
  AddRule(ruleset, "/dev", 2 | 4 | 8);
  AddRule(ruleset, "/tmp", kAllFileRights & ~1);
  Must(syscall(SYS_landlock_restrict_self, ruleset, 0), "landlock_restrict_self");
  close(ruleset);
}

static void Run(int gate, const struct sock_fprog* filter, const char* program,
                char* const* paths) {
  char* const argv[] = {"/program", NULL};
  char* const env[] = {"HOME=/tmp", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", NULL};
  char go;
  setsid();
  Must(read(gate, &go, 1) - 1, "gate");
  Must(sethostname("sandbox", 7), "sethostname");
  RaiseLoopback();
  // The mounts are root's of the user namespace.
  Must(syscall(SYS_setfsgid, 0), "setfsgid");
  Must(syscall(SYS_setfsuid, 0), "setfsuid");
  MakeRoot(program, paths);
  GiveUpPrivileges();
  Must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  Restrict();
  Must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter), "seccomp");
  execve(argv[0], argv, env);
  Must(-1, "execve");
}

static void WriteMap(pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  Must(fd, path);
  Must(write(fd, "0 100000 65536", 14), path);
  close(fd);
}

static int Once(const struct sock_fprog* filter, const char* program, char* const* paths) {
  int gate[2];
  int status;
  Must(pipe2(gate, O_CLOEXEC), "pipe2");
  const pid_t pid = ForkInNamespaces();
  Must(pid, "clone3");
  if (pid == 0) {
    close(gate[1]);
    Run(gate[0], filter, program, paths);
  }
  close(gate[0]);
  WriteMap(pid, "gid_map");
  WriteMap(pid, "uid_map");
  Must(write(gate[1], "", 1), "gate");
  close(gate[1]);
  return waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: floor_sandbox COUNT FILTER PROGRAM [PATH...]\n");
    return 2;
  }
  static struct sock_filter instructions[BPF_MAXINSNS];
  const int file = open(argv[2], O_RDONLY | O_CLOEXEC);
  const ssize_t size = file < 0 ? -1 : read(file, instructions, sizeof(instructions));
  Must(size, argv[2]);
  struct sock_fprog filter = {(unsigned short)((size_t)size / sizeof(*instructions)), instructions};
  for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
    int64_t start = Now();
    if (!Once(&filter, argv[3], argv + 4)) return 1;
    printf("%lld\n", (long long)(Now() - start));
  }
  return 0;
}
