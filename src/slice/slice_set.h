// All slices of a fleet: one provider for the CPU's cores, one for each GPU and mechanism, asked as
// if they were one.
//
// Thread-safety: none; the keeper is the only caller.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "slice/slice_provider.h"
#include "slice/slice_wish.h"

namespace corolla::slice {

class SliceSet {
 public:
  // Makes the provider of a mechanism ("cores", "mig", "mps", "sm") on a device. It must not change
  // the device yet.
  using Make = std::function<Result<std::unique_ptr<SliceProvider>>(const std::string& mechanism,
                                                                    uint32_t device)>;
  explicit SliceSet(Make make) : make_(std::move(make)) {}

  // kInvalidArgument with the reason if a device cannot hold what is wished for. Changes nothing.
  Status check(std::span<const SliceWish> wishes);
  // The ids of slices that must have no process before apply(wishes) is called.
  Result<std::vector<std::string>> leaving(std::span<const SliceWish> wishes);
  // Makes observe() what is wished for, device by device; what no wish names any more goes. On an
  // Error every device has its old slices back, or the Error says which has not.
  Status apply(std::span<const SliceWish> wishes);
  // Every slice of the devices that were ever asked for, CPU first.
  Result<std::vector<Slice>> observe();

  // As each provider has it.
  std::vector<SliceFault> faults();
  void before_kill(const Slice& slice, pid_t worker);

 private:
  using Key = std::pair<std::string, uint32_t>;  // mechanism, device
  struct Device {
    std::unique_ptr<SliceProvider> provider;
    Carve applied;
  };
  // What each device is to hold: nothing, for one that no wish names.
  static Key key_of(const std::string& kind, uint32_t device);
  Result<std::map<Key, Carve>> carves(std::span<const SliceWish> wishes);

  Make make_;
  std::map<Key, Device> devices_;
};

}  // namespace corolla::slice
