#include "mount_steps.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "dev_steps.h"
#include "mount_calls.h"
#include "mount_covers.h"
#include "mount_files.h"
#include "mount_target.h"

namespace linx {
namespace {

constexpr unsigned kDetach = 2;  // MNT_DETACH, which linux/mount.h lacks

struct Work {
  explicit Work(const ChildMounts& mounts) : plan(mounts) {}

  const ChildMounts& plan;
  raw::Fd root;
  TargetRoot targets;
  raw::Fd dev;          // one that is filled and not yet read-only
  int32_t element = 0;  // of the list, the one under work
};

long MakeAllPrivate(Work*) { return MakePrivate("/"); }

raw::Fd Source(const ChildMount& bind, bool recursive) {
  if (bind.idmap) return raw::Fd(bind.tree < 0 ? -EBADF : bind.tree);
  return CloneTree(AT_FDCWD, bind.source, recursive ? AT_RECURSIVE : 0u);
}

// With what is mounted below it, as it is.
long OpenRoot(Work* work) {
  const ChildMount& root = *work->plan.root;
  if (root.kind != MountKind::bind) return 0;
  work->root = Source(root, true);
  if (!work->root.ok()) return work->root.error();
  FileKind kind;
  const long rc = Look(work->root.get(), &kind);
  return rc < 0 || S_ISDIR(kind.mode) ? rc : -ENOTDIR;
}

// By the ids that the agent has, and before anything is mounted over anything.
long OpenSources(Work* work) {
  for (size_t i = 0; i < work->plan.count; ++i) {
    ChildMount& mount = work->plan.mounts[i];
    if (mount.kind != MountKind::bind) continue;
    work->element = static_cast<int32_t>(i);
    raw::Fd tree = Source(mount, mount.recursive);
    if (!tree.ok()) return tree.error();
    mount.tree = tree.Release();
  }
  return 0;
}

// In a user namespace the agent's id may have no number, and then nothing can be made (EOVERFLOW).
// Where 0 is no id there either, the kernel leaves it at that.
long OwnWhatIsMade(Work* work) {
  if (!work->plan.user_namespace) return 0;
  raw::Call(SYS_setfsgid, 0);
  raw::Call(SYS_setfsuid, 0);
  return 0;
}

long MakeRoot(Work* work) {
  const ChildMount& root = *work->plan.root;
  if (root.kind != MountKind::tmpfs) return 0;
  const uint64_t attributes = root.attributes & ~uint64_t{MOUNT_ATTR_RDONLY};
  work->root = NewFileSystem("tmpfs", root.options, root.option_count, attributes);
  return work->root.ok() ? 0 : work->root.error();
}

// Over the old root, where it is out of the way: lookups of absolute paths still begin below it.
long PlaceRoot(Work* work) {
  work->targets.fd = work->root.get();
  if (work->plan.host_root) {
    work->targets.only_in = work->plan.mounts;
    work->targets.only_in_count = work->plan.count;
  }
  return MoveMount(work->root.get(), AT_FDCWD, "/");
}

// The mount at the top is left writable for now: there may be targets to make in it.
long ConfineRoot(Work* work) {
  const ChildMount& root = *work->plan.root;
  if (root.kind != MountKind::bind) return 0;
  const bool was_read_only = IsReadOnly(work->root.get());
  const long rc = AddAttributes(work->root.get(), root.attributes, true);
  if (rc < 0 || was_read_only || (root.attributes & MOUNT_ATTR_RDONLY) == 0) return rc;
  return TakeAttributes(work->root.get(), MOUNT_ATTR_RDONLY);
}

long MakeFiles(Work* work) {
  return WriteFiles(work->plan.mounts, work->plan.count, &work->element);
}

raw::Fd Create(const ChildMounts& plan, const ChildMount& mount) {
  const auto made = [&mount](const char* type) {
    return NewFileSystem(type, mount.options, mount.option_count, mount.attributes);
  };
  switch (mount.kind) {
    case MountKind::tmpfs:
    case MountKind::dev:
      return made("tmpfs");
    case MountKind::proc:
      return made("proc");
    case MountKind::sysfs:
      return made("sysfs");
    case MountKind::mqueue:
      return made("mqueue");
    case MountKind::overlay:
      return NewOverlay(mount.options, mount.option_count, mount.source, plan.user_namespace,
                        mount.attributes & ~uint64_t{MOUNT_ATTR_RDONLY});
    default:
      return raw::Fd(mount.tree);
  }
}

// Of the attributes those that Create has not given.
uint64_t AttributesLeft(const ChildMount& mount) {
  switch (mount.kind) {
    case MountKind::bind:
    case MountKind::file:
      return mount.attributes;
    case MountKind::overlay:
      return mount.attributes & MOUNT_ATTR_RDONLY;
    default:
      return 0;
  }
}

// Programs trust what they find at these: it is to be at that very path.
uint64_t ResolveOf(MountKind kind) {
  return kind == MountKind::proc || kind == MountKind::dev ? RESOLVE_NO_SYMLINKS : 0;
}

long PlaceNew(Work* work, ChildMount* mount) {
  raw::Fd tree = Create(work->plan, *mount);
  if (!tree.ok()) return tree.error();
  mount->tree = -1;
  FileKind kind;
  long rc = Look(tree.get(), &kind);
  if (rc < 0) return rc;
  const Want want = S_ISDIR(kind.mode) ? Want::directory : Want::file;
  const raw::Fd target = OpenTarget(work->targets, mount->target, want, ResolveOf(mount->kind));
  if (!target.ok()) return target.error();
  FileKind place;
  rc = Look(target.get(), &place);
  if (rc == 0 && S_ISDIR(kind.mode) != S_ISDIR(place.mode)) rc = -ENOTDIR;
  if (rc < 0) return rc;
  const bool recursive = mount->kind == MountKind::bind && mount->recursive;
  rc = PlaceMount(tree.get(), target.get(), AttributesLeft(*mount), recursive);
  if (rc < 0) return rc;
  mount->mount_id = kind.mount_id;
  if (mount->kind != MountKind::dev) return 0;
  int32_t part;
  rc = FillDev(tree.get(), &part);
  if (rc < 0) work->element |= part << kMountPartShift;
  work->dev = std::move(tree);
  return rc;
}

// What is not there need not be hidden.
long Cover(Work* work, const ChildMount& mount) {
  const raw::Fd target = OpenTarget(work->targets, mount.target, Want::whatever_is_there);
  if (!target.ok()) return target.error() == -ENOENT ? 0 : target.error();
  return mount.kind == MountKind::mask ? Mask(target.get()) : MakeReadOnly(target.get());
}

long MakeDirectory(Work* work, const ChildMount& mount) {
  const raw::Fd there = OpenTarget(work->targets, mount.target, Want::directory, 0, mount.mode);
  if (!there.ok()) return there.error();
  FileKind kind;
  const long rc = Look(there.get(), &kind);
  return rc < 0 || S_ISDIR(kind.mode) ? rc : -ENOTDIR;
}

long PlaceOne(Work* work, ChildMount* mount) {
  const bool covers = mount->kind == MountKind::mask || mount->kind == MountKind::read_only;
  const long rc = CheckProc(work->targets, mount->target);
  if (rc < 0) return covers && rc == -ENOENT ? 0 : rc;
  if (covers) return Cover(work, *mount);
  return mount->kind == MountKind::dir ? MakeDirectory(work, *mount) : PlaceNew(work, mount);
}

// A /dev may still have had targets made in it.
long SealDev(Work* work) {
  if (!work->dev.ok()) return 0;
  const long rc = AddAttributes(work->dev.get(), MOUNT_ATTR_RDONLY, false);
  work->dev.Reset();
  return rc;
}

long PlaceMounts(Work* work) {
  for (size_t i = 0; i < work->plan.count; ++i) {
    ChildMount& mount = work->plan.mounts[i];
    work->element = static_cast<int32_t>(i);
    long rc = mount.kind == MountKind::dev ? SealDev(work) : 0;
    if (rc == 0) rc = PlaceOne(work, &mount);
    if (rc < 0) return rc;
  }
  return SealDev(work);
}

long SealRoot(Work* work) {
  return AddAttributes(work->root.get(), work->plan.root->attributes & MOUNT_ATTR_RDONLY, false);
}

// pivot_root(2): with the same directory twice the old root comes to lie on the new one.
long Pivot(Work* work) {
  long rc = raw::Call(SYS_fchdir, work->root.get());
  if (rc == 0) rc = raw::Call(SYS_pivot_root, ".", ".");
  if (rc == 0) rc = raw::Call(SYS_umount2, ".", kDetach);
  return rc < 0 ? rc : raw::Call(SYS_chdir, "/");
}

struct Step {
  Stage stage;
  long (*run)(Work*);
};

constexpr Step kSteps[] = {
    {Stage::propagation, MakeAllPrivate},
    {Stage::root, OpenRoot},
    {Stage::mount, OpenSources},
    {Stage::root, OwnWhatIsMade},
    {Stage::root, MakeRoot},
    {Stage::root, PlaceRoot},
    {Stage::root, ConfineRoot},
    {Stage::mount, MakeFiles},
    {Stage::mount, PlaceMounts},
    {Stage::root, SealRoot},
    {Stage::pivot_root, Pivot},
};

}  // namespace

long TakeTree(const ChildMounts& mounts, uint64_t element, int tree) {
  if (tree < 0 || mounts.root == nullptr || element > mounts.count) return -EINVAL;
  (element == 0 ? *mounts.root : mounts.mounts[element - 1]).tree = tree;
  return 0;
}

long MakeMounts(const ChildMounts& mounts, MountFailure* failed) {
  if (mounts.root == nullptr) return 0;
  // The modes that are asked for are meant.
  const long umask = raw::Call(SYS_umask, 0);
  Work work(mounts);
  long rc = 0;
  for (const Step& step : kSteps) {
    rc = step.run(&work);
    if (rc < 0) {
      *failed = {step.stage, work.element};
      break;
    }
  }
  raw::Call(SYS_umask, umask);
  return rc;
}

}  // namespace linx
