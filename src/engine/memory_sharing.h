// How an engine has memory of its device in common with the engines of other workers: weights that
// all of them would hold otherwise.
//
// A name says which device and what is in the memory. The first who wants it makes it; what it
// hands in is passed to everybody who wants it later, and lives while anybody holds it.
//
// Thread-safe; want() blocks, for seconds at most. What comes from another worker is to be checked.
#pragma once
#include <optional>
#include <string>

#include "base/fd.h"

namespace corolla::engine {

class MemorySharing {
 public:
  virtual ~MemorySharing() = default;

  // A descriptor of the memory; or an empty one: make it, and say made(). nullopt: there is nobody
  // to share with, or whoever makes it takes too long; nothing is held then.
  virtual std::optional<Fd> want(const std::string& name) = 0;
  // Ends the making: with a descriptor, which others get, or without, when it could not be made.
  virtual void made(const std::string& name, Fd descriptor) = 0;
  // What want() gave, or made() handed in, is used no more. Once for each of them.
  virtual void drop(const std::string& name) = 0;
};

}  // namespace corolla::engine
