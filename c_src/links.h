// Pipes from one session to another, by name, until each of their ends has its session.
#ifndef LINX_LINKS_H_
#define LINX_LINKS_H_

#include <cstdint>
#include <map>
#include <string>

#include "result.h"
#include "stdio_request.h"
#include "unique_fd.h"

namespace linx {

class Links {
 public:
  // The end that `owner` asks for. Who names a link first makes it; with the other end the name is
  // free again. Errors: pipe2; link with EBUSY where the same end was asked for before. The detail
  // is the name.
  Result<UniqueFd> Claim(const std::string& name, FileMode end, uint64_t owner);
  // Closes the ends that nobody asked for of the links that `owner` made.
  void Drop(uint64_t owner);

 private:
  struct Unclaimed {
    FileMode end;
    UniqueFd fd;
    uint64_t owner;
  };
  std::map<std::string, Unclaimed> unclaimed_;
};

}  // namespace linx

#endif  // LINX_LINKS_H_
