// A slice's worth of work, for measuring what slices cost each other: short kernels one after the
// other, as a small network at batch 1 makes them. Prints one line: the SMs that the driver shows,
// and rounds a second.
//
//   slices_burner [--at EPOCH_SECONDS] [--seconds 3] [--memory] [--fault] [--green 16,16,100 [--only N]]
//
// --memory: kernels that stream through 64 MiB instead of computing in registers. --green: one
// process with a thread for each green context of one split; --only runs the N-th alone. --fault:
// ends with a write to a wrong address, to see whom that takes along.
#include <cuda.h>
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int kKernelsARound = 50;  // about as many as ResNet-50 has after fusing
constexpr size_t kStreamed = 64 << 20;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}
void check(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  std::fprintf(stderr, "%s: driver error %d\n", what, static_cast<int>(result));
  std::exit(1);
}

__global__ void compute(float* out, int turns) {
  float a = threadIdx.x, b = 1.0001f;
  for (int i = 0; i < turns; ++i) a = fmaf(a, b, 0.5f);
  out[blockIdx.x * blockDim.x + threadIdx.x] = a;
}
__global__ void stream_through(float4* data, size_t count) {
  for (size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x; i < count; i += size_t{gridDim.x} * blockDim.x) {
    float4 v = data[i];
    v.x += 1;
    data[i] = v;
  }
}
__global__ void fault(int* nowhere) { *nowhere = 1; }

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double rounds_a_second(cudaStream_t stream, bool memory, double seconds) {
  float* data = nullptr;
  check(cudaMalloc(&data, kStreamed), "cudaMalloc");
  check(cudaMemset(data, 0, kStreamed), "cudaMemset");
  const auto round = [&] {
    for (int i = 0; i < (memory ? 4 : kKernelsARound); ++i) {
      if (memory)
        stream_through<<<528, 256, 0, stream>>>(reinterpret_cast<float4*>(data), kStreamed / sizeof(float4));
      else
        compute<<<64, 256, 0, stream>>>(data, 2000);
    }
    check(cudaStreamSynchronize(stream), "a round");
  };
  for (int i = 0; i < 10; ++i) round();
  const double begin = seconds_now();
  int rounds = 0;
  for (; seconds_now() < begin + seconds; ++rounds) round();
  return rounds / (seconds_now() - begin);
}

struct Green {
  CUstream stream = nullptr;
  unsigned sms = 0;
};

std::vector<Green> split(const std::vector<unsigned>& sizes) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  const auto find = [&](const char* name) {
    void* symbol = dlsym(driver, name);
    if (!symbol) std::fprintf(stderr, "the driver has no %s\n", name), std::exit(1);
    return symbol;
  };
  const auto resource = reinterpret_cast<decltype(&cuDeviceGetDevResource)>(find("cuDeviceGetDevResource"));
  const auto by_count = reinterpret_cast<decltype(&cuDevSmResourceSplitByCount)>(find("cuDevSmResourceSplitByCount"));
  const auto describe = reinterpret_cast<decltype(&cuDevResourceGenerateDesc)>(find("cuDevResourceGenerateDesc"));
  const auto create = reinterpret_cast<decltype(&cuGreenCtxCreate)>(find("cuGreenCtxCreate"));
  const auto stream = reinterpret_cast<decltype(&cuGreenCtxStreamCreate)>(find("cuGreenCtxStreamCreate"));
  // One split into the smallest groups: what is left of a split cannot be split again.
  CUdevResource all, rest;
  check(resource(0, &all, CU_DEV_RESOURCE_TYPE_SM), "cuDeviceGetDevResource");
  unsigned count = 0;
  check(by_count(nullptr, &count, &all, nullptr, 0, 1), "cuDevSmResourceSplitByCount");
  std::vector<CUdevResource> groups(count);
  check(by_count(groups.data(), &count, &all, &rest, 0, 1), "cuDevSmResourceSplitByCount");
  if (rest.type == CU_DEV_RESOURCE_TYPE_SM && rest.sm.smCount > 0) groups.push_back(rest);
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] < sizes[b]; });
  std::vector<Green> made(sizes.size());
  size_t next = 0;
  for (const size_t i : order) {
    const size_t first = next;
    while (made[i].sms < sizes[i] && next < groups.size()) made[i].sms += groups[next++].sm.smCount;
    if (made[i].sms < sizes[i]) std::fprintf(stderr, "no %u SMs are left\n", sizes[i]), std::exit(1);
    CUdevResourceDesc description;
    CUgreenCtx context;
    check(describe(&description, &groups[first], static_cast<unsigned>(next - first)), "cuDevResourceGenerateDesc");
    check(create(&context, description, 0, CU_GREEN_CTX_DEFAULT_STREAM), "cuGreenCtxCreate");
    check(stream(&made[i].stream, context, CU_STREAM_NON_BLOCKING, 0), "cuGreenCtxStreamCreate");
  }
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  double at = 0, seconds = 3;
  bool memory = false, faulty = false;
  int only = -1;
  std::vector<unsigned> green;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--at") at = std::atof(argv[++i]);
    else if (option == "--seconds") seconds = std::atof(argv[++i]);
    else if (option == "--memory") memory = true;
    else if (option == "--fault") faulty = true;
    else if (option == "--only") only = std::atoi(argv[++i]);
    else if (option == "--green") {
      for (char* at_number = argv[++i]; *at_number;) {
        green.push_back(static_cast<unsigned>(std::strtoul(at_number, &at_number, 10)));
        if (*at_number == ',') ++at_number;
      }
    }
  }
  check(cudaFree(nullptr), "cudaFree");
  int sms = 0;
  check(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0), "the SM count");
  std::vector<Green> lanes = green.empty() ? std::vector<Green>{Green{nullptr, static_cast<unsigned>(sms)}} : split(green);
  if (green.empty()) check(cudaStreamCreateWithFlags(&lanes[0].stream, cudaStreamNonBlocking), "a stream");
  if (at > 0) {
    const double wait = at - seconds_now();
    if (wait > 0) usleep(static_cast<useconds_t>(wait * 1e6));
  }
  std::vector<double> rates(lanes.size(), 0);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < lanes.size(); ++i)
    if (only < 0 || static_cast<size_t>(only) == i)
      threads.emplace_back([&, i] { rates[i] = rounds_a_second(lanes[i].stream, memory, seconds); });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < lanes.size(); ++i)
    if (rates[i] > 0) std::printf("%u %.1f\n", lanes[i].sms, rates[i]);
  if (faulty) {
    fault<<<1, 1>>>(nullptr);
    std::printf("fault: %s\n", cudaGetErrorString(cudaDeviceSynchronize()));
  }
  return 0;
}
