// The agent's heap holds every session's frames, environments and output. Its forks get none of it.
#ifndef LINX_PRIVATE_HEAP_H_
#define LINX_PRIVATE_HEAP_H_

namespace linx {

// Once, early in main: from here on malloc takes all memory from the program break. False where it
// is not known where the heap begins: then nothing can be hidden. errno is set.
bool KeepHeapInOnePiece();

// Before every fork: leaves the heap, as far as it has grown, out of the fork's memory
// (MADV_DONTFORK). A fork that touches the heap dies of SIGSEGV; and fork costs no page table for
// it. False with errno set where that fails: then there must be no fork. True, and without effect,
// before KeepHeapInOnePiece.
bool HideHeapFromForks();

}  // namespace linx

#endif  // LINX_PRIVATE_HEAP_H_
