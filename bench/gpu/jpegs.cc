#include "jpegs.h"

#include <cuda_runtime_api.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "base/time.h"
#include "engine/cuda/jpeg_decoder.h"
#include "engine/image/jpeg_head.h"
#include "engine/image/picture.h"

namespace corolla::bench {
namespace {

using namespace corolla::engine;
using cuda::DeviceMemory;
using cuda::JpegDecoder;

constexpr int64_t kMost = int64_t{32} << 20;

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jpg") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return files;
}

class Bench {
 public:
  Bench(std::unique_ptr<JpegDecoder> decoder, DeviceMemory rows)
      : decoder_(std::move(decoder)), rows_(std::move(rows)) {}

  // The mean and the largest difference of levels over all files, at one size.
  bool compare(const std::vector<std::string>& files, PictureSize size) {
    const size_t bytes = size_t(size.width) * size.height * 3;
    std::vector<uint8_t> here(bytes), there(bytes);
    double sum = 0;
    int worst = 0;
    size_t seen = 0;
    for (const std::string& text : files) {
      const auto file = std::as_bytes(std::span(text));
      const auto found = plain_jpeg(file, kMost);
      const auto picture = decode_picture(file);
      if (!found || !picture.ok()) continue;
      fit_picture(*picture, size.width, size.height, here);
      if (!decode({{file, *found, rows_.data()}}, size)) return false;
      if (cudaMemcpy(there.data(), rows_.data(), bytes, cudaMemcpyDeviceToHost) != cudaSuccess)
        return false;
      for (size_t i = 0; i < bytes; ++i) {
        const int off = std::abs(int{here[i]} - int{there[i]});
        sum += off;
        worst = std::max(worst, off);
      }
      ++seen;
    }
    std::printf("jpegs: %zu files to %d x %d: mean difference %.3f levels, largest %d\n", seen,
                size.width, size.height, sum / static_cast<double>(seen * bytes), worst);
    return seen > 0;
  }

  void rates(const std::vector<std::string>& files, size_t batch, PictureSize size) {
    const size_t bytes = size_t(size.width) * size.height * 3;
    const auto measure = [&](const char* who, auto&& run) {
      run();
      size_t done = 0;
      const double cpu = cpu_seconds();
      const TimePoint begin = now();
      while (to_seconds(now() - begin) < 0.5) done += run();
      std::printf("jpegs: %s, %zu at a time: %.0f/s, %.0f us of CPU time each\n", who, batch,
                  static_cast<double>(done) / to_seconds(now() - begin),
                  (cpu_seconds() - cpu) / static_cast<double>(done) * 1e6);
    };
    std::vector<JpegDecoder::File> some;
    for (const std::string& text : files) {
      const auto file = std::as_bytes(std::span(text));
      if (const auto found = plain_jpeg(file, kMost); found && some.size() < batch)
        some.push_back({file, *found, rows_.data() + some.size() * bytes});
    }
    measure("nvJPEG", [&] { return decode(some, size) ? some.size() : 0; });
    std::vector<uint8_t> row(bytes);
    measure("host, one thread", [&] {
      for (const auto& file : some)
        if (const auto picture = decode_picture(file.bytes); picture.ok())
          fit_picture(*picture, size.width, size.height, row);
      return some.size();
    });
  }

  // With nothing left of the device's memory pictures are refused, and the decoder is none the
  // worse.
  bool without_memory(const std::vector<std::string>& files, PictureSize size) {
    constexpr size_t kWanted = 64 << 20, kLeast = 1 << 20;  // more than was ever decoded at once
    std::vector<JpegDecoder::File> many;
    for (size_t i = 0, bytes = 0; bytes < kWanted && i < 100 * files.size(); ++i) {
      const auto file = std::as_bytes(std::span(files[i % files.size()]));
      const auto found = plain_jpeg(file, kMost);
      if (!found || *found == size) continue;
      many.push_back({file, *found, rows_.data()});
      bytes += size_t(found->width) * found->height * 3;
    }
    std::vector<DeviceMemory> taken;
    for (size_t bytes = size_t{1} << 36; bytes >= kLeast;) {
      auto part = DeviceMemory::make(bytes, "nothing");
      if (part.ok())
        taken.push_back(std::move(*part));
      else
        bytes /= 2;
    }
    const auto refused = decoder_->decode(many, size, nullptr);
    taken.clear();
    const bool well = refused.ok() && !*refused && decode(many, size);
    std::printf("jpegs: %zu files without memory for them were %s\n", many.size(),
                well ? "refused, then decoded" : "NOT refused and then decoded");
    return well;
  }

  // Files with some bytes changed, as far as plain_jpeg() lets them through.
  bool broken(const std::vector<std::string>& files, int count, PictureSize size) {
    std::mt19937 random(1);
    int passed = 0, refused = 0;
    for (int i = 0; i < count; ++i) {
      std::string text = files[random() % files.size()];
      for (int n = 1 + static_cast<int>(random() % 12); n > 0; --n)
        text[2 + random() % (text.size() - 4)] = static_cast<char>(random());
      const auto file = std::as_bytes(std::span(text));
      const auto found = plain_jpeg(file, kMost);
      if (!found) continue;
      ++passed;
      const auto decoded = decoder_->decode(
          std::vector<JpegDecoder::File>{{file, *found, rows_.data()}}, size, nullptr);
      if (!decoded.ok() || cudaDeviceSynchronize() != cudaSuccess) {
        std::printf("jpegs: a broken file broke the device\n");
        return false;
      }
      refused += !*decoded;
    }
    std::printf(
        "jpegs: %d broken files, %d looked whole, %d of those were refused; the device is well\n",
        count, passed, refused);
    return true;
  }

 private:
  bool decode(const std::vector<JpegDecoder::File>& files, PictureSize size) {
    const auto decoded = decoder_->decode(files, size, nullptr);
    if (!decoded.ok()) std::printf("jpegs: %s\n", decoded.error().what.c_str());
    return decoded.ok() && *decoded && cudaDeviceSynchronize() == cudaSuccess;
  }
  std::unique_ptr<JpegDecoder> decoder_;
  DeviceMemory rows_;
};

}  // namespace

int jpegs(const std::string& folder) {
  const auto files = files_of(folder);
  auto decoder = JpegDecoder::make();
  auto rows = DeviceMemory::make(64 * 224 * 224 * 3, "pictures");
  if (files.empty() || !decoder.ok() || !rows.ok()) {
    std::printf("jpegs: %s\n", files.empty()   ? "no JPEG files there"
                               : !decoder.ok() ? decoder.error().what.c_str()
                                               : rows.error().what.c_str());
    return 1;
  }
  Bench bench(std::move(*decoder), std::move(*rows));
  bool well = bench.compare(files, {224, 224}) && bench.compare(files, {120, 160}) &&
              bench.compare(files, {160, 160});
  for (const size_t batch : {1, 8, 32}) bench.rates(files, batch, {224, 224});
  bench.rates(files, 8, {160, 160});
  well = bench.broken(files, 4000, {224, 224}) && bench.broken(files, 500, {120, 160}) && well;
  well = bench.without_memory(files, {120, 160}) && well;
  return well ? 0 : 1;
}

}  // namespace corolla::bench
