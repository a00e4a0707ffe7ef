#include "prefork_ident.h"

#include <sha2.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cstdlib>

#include "prefork_fatal.h"

namespace linx {
namespace {

// To be changed with anything that a server and a later client have to agree in.
constexpr char kScheme[] = "linx-prefork 1";

// Each thing with its kind and length ahead, so that no two lists of things read the same.
class Fingerprint {
 public:
  Fingerprint() { SHA256Init(&hash_); }
  void Add(char kind, const std::string& text) {
    const std::string thing = kind + std::to_string(text.size()) + ':' + text;
    SHA256Update(&hash_, reinterpret_cast<const uint8_t*>(thing.data()), thing.size());
  }
  void AddDirectory(char kind, const char* path) {
    struct stat found;
    if (stat(path, &found) < 0) PreforkFatalErrno(std::string("cannot look at ") + path);
    Add(kind, std::to_string(found.st_dev) + ' ' + std::to_string(found.st_ino));
  }
  void AddVariable(const std::string& name) {
    const char* value = getenv(name.c_str());
    Add(value == nullptr ? 'e' : 'E', name);
    if (value != nullptr) Add('=', value);
  }
  // In hexadecimal. Nothing can be added afterwards.
  std::string Digest() {
    char hex[SHA256_DIGEST_STRING_LENGTH];
    return SHA256End(&hash_, hex);
  }

 private:
  SHA2_CTX hash_;
};

}  // namespace

std::string PreforkIdent(const PreforkOptions& options) {
  if (options.ident) return *options.ident;
  Fingerprint fingerprint;
  fingerprint.Add('v', kScheme);
  struct utsname host;
  if (uname(&host) < 0) PreforkFatalErrno("cannot find out the host name");
  fingerprint.Add('h', host.nodename);
  fingerprint.AddDirectory('.', ".");
  fingerprint.AddDirectory('/', "/");
  for (const std::string& word : options.program) fingerprint.Add('i', word);
  if (options.script) fingerprint.Add('s', *options.script);
  for (const PreforkOptions::Shared& shared : options.shared) {
    if (shared.is_variable) {
      fingerprint.AddVariable(shared.text);
    } else {
      fingerprint.Add('G', shared.text);
    }
  }
  return fingerprint.Digest();
}

}  // namespace linx
