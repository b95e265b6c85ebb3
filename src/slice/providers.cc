#include "slice/providers.h"

#include "slice/cores_provider.h"
#include "slice/green_provider.h"
#include "slice/mig_provider.h"
#include "slice/mps_provider.h"

namespace corolla::slice {

SliceSet::Make provider_maker(ProviderSetup setup) {
  return [setup = std::move(setup)](const std::string& mechanism,
                                    uint32_t device) -> Result<std::unique_ptr<SliceProvider>> {
    if (mechanism == "cores")
      return std::unique_ptr<SliceProvider>(std::make_unique<CoresProvider>(setup.topology));
    if (mechanism == "mps") {
      MpsSetup mps;
      mps.runtime_dir = setup.runtime_dir;
      return std::unique_ptr<SliceProvider>(std::make_unique<MpsProvider>(device, std::move(mps)));
    }
    if (mechanism == "sm")
      return std::unique_ptr<SliceProvider>(std::make_unique<GreenProvider>(device));
    if (mechanism == "mig") {
      ASSIGN_OR_RETURN(auto providers, make_mig_providers({device}));
      return std::unique_ptr<SliceProvider>(std::move(providers.front()));
    }
    return Error{Code::kUnsupported, "this build cannot make " + mechanism +
                                         " slices (wished for on device " + std::to_string(device) +
                                         ")"};
  };
}

}  // namespace corolla::slice
