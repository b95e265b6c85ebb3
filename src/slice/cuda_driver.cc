#include "slice/cuda_driver.h"

#include <dlfcn.h>

#include <cstring>
#include <sstream>

#include "base/deal_parts.h"
#include "slice/child_probe.h"

namespace corolla::slice {
namespace {

constexpr auto kDriverLimit = std::chrono::seconds(30);  // a cold driver wakes every GPU first

// The driver's ABI, as far as it is used here.
using CuResult = int;
using CuDevice = int;
constexpr CuResult kCuSuccess = 0;
constexpr int kAttributeSmCount = 16, kAttributeMajor = 75, kAttributeMinor = 76;
constexpr int kResourceSm = 1;
struct CuUuid {
  unsigned char bytes[16];
};
// CUdevResource: a type, padding, and a union whose first number is how many SMs. Drivers after
// 12.4 have put more into it, so there is room behind.
struct CuResource {
  int type = 0;
  unsigned char padding[92] = {};
  uint32_t sm_count = 0;
  unsigned char room[412] = {};
};

struct Driver {
  CuResult (*init)(unsigned) = nullptr;
  CuResult (*device_count)(int*) = nullptr;
  CuResult (*device_get)(CuDevice*, int) = nullptr;
  CuResult (*device_name)(char*, int, CuDevice) = nullptr;
  // Structures by void*: their types have other names on the other side of the library's edge.
  CuResult (*device_uuid)(void*, CuDevice) = nullptr;
  CuResult (*device_attribute)(int*, int, CuDevice) = nullptr;
  CuResult (*device_memory)(size_t*, CuDevice) = nullptr;
  CuResult (*error_name)(CuResult, const char**) = nullptr;
  CuResult (*device_resource)(CuDevice, void*, int) = nullptr;
  CuResult (*split)(void*, unsigned*, const void*, void*, unsigned, unsigned) = nullptr;
};

Error failed(const Driver& driver, const char* step, CuResult result) {
  const char* name = nullptr;
  if (driver.error_name(result, &name) != kCuSuccess || !name) name = "an unknown error";
  return {Code::kUnavailable, std::string("the CUDA driver says ") + name + " (" +
                                  std::to_string(result) + ") to " + step};
}

// The library stays open: the process ends soon.
Result<Driver> open_driver(const std::string& library, bool splits) {
  void* const handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = ::dlerror();
    return Error{Code::kUnavailable, std::string("there is no CUDA driver: ") +
                                         (why ? why : library.c_str()) +
                                         "; GPU slices need NVIDIA's driver on this machine"};
  }
  Driver driver;
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    void* const symbol = ::dlsym(handle, name);
    if (!symbol && !missing) missing = name;
    std::memcpy(&function, &symbol, sizeof symbol);
  };
  find(driver.init, "cuInit");
  find(driver.device_count, "cuDeviceGetCount");
  find(driver.device_get, "cuDeviceGet");
  find(driver.device_name, "cuDeviceGetName");
  find(driver.device_uuid, "cuDeviceGetUuid_v2");
  find(driver.device_attribute, "cuDeviceGetAttribute");
  find(driver.device_memory, "cuDeviceTotalMem_v2");
  find(driver.error_name, "cuGetErrorName");
  if (splits) {
    find(driver.device_resource, "cuDeviceGetDevResource");
    find(driver.split, "cuDevSmResourceSplitByCount");
  }
  if (missing)
    return Error{Code::kUnavailable,
                 std::string("the CUDA driver is too old: ") + library + " has no " + missing +
                     (splits ? "; green contexts need driver 550 (CUDA 12.4) or later" : "")};
  if (const CuResult result = driver.init(0); result != kCuSuccess)
    return failed(driver, "cuInit", result);
  return driver;
}

Result<CuDevice> open_device(const Driver& driver, uint32_t device) {
  int count = 0;
  if (const CuResult result = driver.device_count(&count); result != kCuSuccess)
    return failed(driver, "cuDeviceGetCount", result);
  if (device >= static_cast<uint32_t>(count))
    return Error{Code::kNotFound, "there is no GPU " + std::to_string(device) +
                                      ": the driver shows " + std::to_string(count)};
  CuDevice opened = 0;
  if (const CuResult result = driver.device_get(&opened, static_cast<int>(device));
      result != kCuSuccess)
    return failed(driver, "cuDeviceGet", result);
  return opened;
}

std::string uuid_text(const CuUuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[uuid.bytes[i] >> 4];
    text += kDigits[uuid.bytes[i] & 15];
  }
  return text;
}

Result<std::string> ask_facts(const std::string& library, uint32_t device) {
  ASSIGN_OR_RETURN(const Driver driver, open_driver(library, false));
  ASSIGN_OR_RETURN(const CuDevice gpu, open_device(driver, device));
  char name[256] = {};
  CuUuid uuid{};
  int sms = 0, major = 0, minor = 0;
  size_t memory = 0;
  for (const CuResult result :
       {driver.device_name(name, sizeof name - 1, gpu), driver.device_uuid(&uuid, gpu),
        driver.device_attribute(&sms, kAttributeSmCount, gpu),
        driver.device_attribute(&major, kAttributeMajor, gpu),
        driver.device_attribute(&minor, kAttributeMinor, gpu), driver.device_memory(&memory, gpu)})
    if (result != kCuSuccess) return failed(driver, "questions about the device", result);
  std::ostringstream text;
  text << uuid_text(uuid) << ' ' << sms << ' ' << major << ' ' << minor << ' ' << memory << ' '
       << name;
  return text.str();
}

std::string list_text(const std::vector<uint32_t>& numbers) {
  std::string text;
  for (const uint32_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

Result<std::string> ask_split(const std::string& library, uint32_t device,
                              const std::vector<uint32_t>& sizes) {
  ASSIGN_OR_RETURN(const Driver driver, open_driver(library, true));
  ASSIGN_OR_RETURN(const CuDevice gpu, open_device(driver, device));
  CuResource all;
  if (const CuResult result = driver.device_resource(gpu, &all, kResourceSm); result != kCuSuccess)
    return failed(driver, "cuDeviceGetDevResource", result);
  // What is left of a split cannot be split again, so the device is split once, into the smallest
  // groups that there are, and a context takes as many of them as it needs.
  unsigned groups = 0, one = 1;
  CuResource group, rest;
  for (const CuResult result : {driver.split(nullptr, &groups, &all, nullptr, 0, 1),
                                driver.split(&group, &one, &all, &rest, 0, 1)})
    if (result != kCuSuccess) return failed(driver, "cuDevSmResourceSplitByCount", result);
  const uint32_t whole = all.sm_count;
  std::vector<uint32_t> left(groups, group.sm_count);
  if (whole > groups * group.sm_count) left.push_back(whole - groups * group.sm_count);
  const Deal deal = deal_parts(left, sizes);
  if (deal.too_short) {
    std::vector<uint32_t> so_far;
    for (const size_t who : deal.order) {
      if (who == *deal.too_short) break;
      so_far.push_back(deal.shares[who].sum);
    }
    return Error{Code::kInvalidArgument,
                 "green contexts of " + list_text(sizes) + " SMs do not fit: GPU " +
                     std::to_string(device) + " has " + std::to_string(whole) + ", in groups of " +
                     std::to_string(group.sm_count) +
                     (so_far.empty() ? std::string()
                                     : ", of which the smaller ones take " + list_text(so_far)) +
                     ", and " + std::to_string(deal.shares[*deal.too_short].sum) +
                     " are left for one of " + std::to_string(sizes[*deal.too_short])};
  }
  std::string text;
  for (const DealtParts& share : deal.shares) text += std::to_string(share.sum) + " ";
  return text;
}

}  // namespace

Result<GpuFacts> read_gpu_facts(const std::string& library, uint32_t device) {
  ASSIGN_OR_RETURN(const std::string text,
                   ask_in_child([&] { return ask_facts(library, device); }, kDriverLimit));
  std::istringstream words(text);
  GpuFacts facts;
  words >> facts.uuid >> facts.sm_count >> facts.major >> facts.minor >> facts.memory_bytes;
  words.get();
  std::getline(words, facts.name);
  return facts;
}

Result<std::vector<uint32_t>> split_sms(const std::string& library, uint32_t device,
                                        const std::vector<uint32_t>& sizes) {
  ASSIGN_OR_RETURN(const std::string text,
                   ask_in_child([&] { return ask_split(library, device, sizes); }, kDriverLimit));
  std::istringstream words(text);
  std::vector<uint32_t> given;
  for (uint32_t sms = 0; words >> sms;) given.push_back(sms);
  return given;
}

}  // namespace corolla::slice
