#include "engine/cuda/jpeg_decoder.h"

#include <dlfcn.h>

#include <algorithm>

#include "base/log.h"
#include "engine/cuda/kernels/fit_kernels.h"
#include "engine/image/resampling.h"

namespace corolla::engine::cuda {

// What is used of nvjpeg.h, whose library need not be here when this is built: the functions' types
// and the numbers are its binary interface (nvJPEG 11 to 13).
struct NvJpeg {
  struct Image {
    unsigned char* channel[4];
    size_t pitch[4];
  };
  static constexpr int kInterleaved = 5;                // NVJPEG_OUTPUT_RGBI
  static constexpr int kAnyBackend = 0, kHardware = 3;  // NVJPEG_BACKEND_DEFAULT, _HARDWARE
  static constexpr unsigned kInterpolate = 1 << 5;  // NVJPEG_FLAGS_UPSAMPLING_WITH_INTERPOLATION

  int (*create)(int backend, void*, void*, unsigned flags, void** handle);
  int (*destroy)(void* handle);
  int (*state_create)(void* handle, void** state);
  int (*state_destroy)(void* state);
  int (*batch_initialize)(void* handle, void* state, int batch, int cpu_threads, int format);
  int (*batch_decode)(void* handle, void* state, const unsigned char* const* files,
                      const size_t* lengths, Image* images, cudaStream_t stream);

  // Opened once, and for good. Null: not here.
  static const NvJpeg* get() {
    static const NvJpeg* const opened = open();
    return opened;
  }

 private:
  static const NvJpeg* open() {
    static NvJpeg functions;
    for (const char* name : {"libnvjpeg.so.13", "libnvjpeg.so.12", "libnvjpeg.so.11"}) {
      void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      const auto find = [&](auto& function, const char* symbol) {
        function =
            reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, symbol));
        return function != nullptr;
      };
      if (find(functions.create, "nvjpegCreateEx") && find(functions.destroy, "nvjpegDestroy") &&
          find(functions.state_create, "nvjpegJpegStateCreate") &&
          find(functions.state_destroy, "nvjpegJpegStateDestroy") &&
          find(functions.batch_initialize, "nvjpegDecodeBatchedInitialize") &&
          find(functions.batch_decode, "nvjpegDecodeBatched"))
        return &functions;
      ::dlclose(library);
    }
    return nullptr;
  }
};

namespace {

// At least so many bytes; what was in less is gone, so that both need not be there at once.
Status grow(DeviceMemory& memory, size_t bytes, const char* what, cudaStream_t stream) {
  if (bytes <= memory.bytes()) return ok();
  // Memory that goes may be in use by what is on the stream.
  CUDA_OR_RETURN("pictures before this one failed", cudaStreamSynchronize(stream));
  memory = DeviceMemory();
  ASSIGN_OR_RETURN(memory, DeviceMemory::make(bytes, what));
  return ok();
}

}  // namespace

Result<std::unique_ptr<JpegDecoder>> JpegDecoder::make() {
  auto made = std::unique_ptr<JpegDecoder>(new JpegDecoder);
  made->library_ = NvJpeg::get();
  if (made->library_ == nullptr) return Error{Code::kNotFound, "libnvjpeg.so is not installed"};
  const NvJpeg& nvjpeg = *made->library_;
  int status = 1;
  // Libraries before 12.1 do not know the flag; small GPUs have no JPEG engine.
  for (const int backend : {NvJpeg::kHardware, NvJpeg::kAnyBackend})
    for (const unsigned flags : {NvJpeg::kInterpolate, 0u})
      if (status != 0) status = nvjpeg.create(backend, nullptr, nullptr, flags, &made->handle_);
  if (status != 0) made->handle_ = nullptr;
  if (status == 0) status = nvjpeg.state_create(made->handle_, &made->state_);
  if (status != 0)
    return Error{Code::kUnavailable,
                 "nvJPEG does not start: its status is " + std::to_string(status)};
  return made;
}

JpegDecoder::~JpegDecoder() {
  if (state_ != nullptr) library_->state_destroy(state_);
  if (handle_ != nullptr) library_->destroy(handle_);
}

Result<bool> JpegDecoder::decode(std::span<const File> files, PictureSize size,
                                 cudaStream_t stream) {
  auto done = try_decode(files, size, stream);
  if (done.ok() && *done) return true;
  if (!done.ok()) {
    if (done.error().code != Code::kTooLarge) return done;
    if (!lacked_memory_) log::warn("jpeg_on_host", {{"why", done.error().what}});
    lacked_memory_ = true;
  }
  // What was begun reads the files.
  CUDA_OR_RETURN("pictures that were not all decoded failed", cudaStreamSynchronize(stream));
  return false;
}

Result<bool> JpegDecoder::try_decode(std::span<const File> files, PictureSize size,
                                     cudaStream_t stream) {
  const auto bytes_of = [](PictureSize of) { return size_t(of.width) * of.height * 3; };
  size_t wanted = 0;
  for (const File& file : files)
    if (file.size != size) wanted += bytes_of(file.size);
  RETURN_IF_ERROR(grow(pixels_, wanted, "decoded pictures", stream));

  std::vector<const unsigned char*> inputs;
  std::vector<size_t> lengths;
  std::vector<NvJpeg::Image> images;
  std::vector<const std::byte*> decoded;
  size_t at = 0;
  for (const File& file : files) {
    std::byte* to = file.to;
    if (file.size != size) {
      to = pixels_.data() + at;
      at += bytes_of(file.size);
    }
    inputs.push_back(reinterpret_cast<const unsigned char*>(file.bytes.data()));
    lengths.push_back(file.bytes.size());
    NvJpeg::Image image{};
    image.channel[0] = reinterpret_cast<unsigned char*>(to);
    image.pitch[0] = size_t(file.size.width) * 3;
    images.push_back(image);
    decoded.push_back(to);
  }
  const int count = static_cast<int>(files.size());
  if (count != batch_) {
    batch_ = 0;
    if (library_->batch_initialize(handle_, state_, count, 1, NvJpeg::kInterleaved) != 0)
      return false;
    batch_ = count;
  }
  if (library_->batch_decode(handle_, state_, inputs.data(), lengths.data(), images.data(),
                             stream) != 0) {
    batch_ = 0;  // whatever state that has left
    return false;
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (files[i].size != size) RETURN_IF_ERROR(fit(files[i], decoded[i], size, stream));
  return true;
}

Result<const JpegDecoder::Fit*> JpegDecoder::fit_for(const File& file, PictureSize size,
                                                     cudaStream_t stream) {
  constexpr size_t kMost = 16;
  const auto same = [&](const Fit& fit) { return fit.from == file.size && fit.to == size; };
  if (const auto it = std::find_if(fits_.begin(), fits_.end(), same); it != fits_.end())
    return &*it;
  const auto [across, down] = resampling(file.size, size);
  Fit made;
  made.from = file.size;
  made.to = size;
  std::vector<int> ints;
  const auto add = [&](const Weights& weights) {
    for (const auto& span : weights.spans) ints.insert(ints.end(), {span.first, span.count});
    const size_t values = ints.size();
    ints.insert(ints.end(), weights.values.begin(), weights.values.end());
    return values;
  };
  made.across_values = add(across);
  made.down_spans = ints.size();
  made.down_values = add(down);
  made.across_most = across.most;
  made.down_most = down.most;
  made.first_row = down.spans.front().first;
  made.rows = down.spans.back().first + down.spans.back().count - made.first_row;
  // Memory that goes may be in use by what is on the stream.
  CUDA_OR_RETURN("pictures before this one failed", cudaStreamSynchronize(stream));
  const size_t bytes = ints.size() * sizeof(int);
  ASSIGN_OR_RETURN(made.weights, DeviceMemory::make(bytes, "weights of resampling"));
  CUDA_OR_RETURN("cannot copy weights of resampling",
                 cudaMemcpy(made.weights.data(), ints.data(), bytes, cudaMemcpyHostToDevice));
  if (fits_.size() == kMost) fits_.erase(fits_.begin());
  fits_.push_back(std::move(made));
  return &fits_.back();
}

// REQUIRES: on one stream, so that pictures take turns with narrow_.
Status JpegDecoder::fit(const File& file, const std::byte* pixels, PictureSize size,
                        cudaStream_t stream) {
  ASSIGN_OR_RETURN(const Fit* fit, fit_for(file, size, stream));
  const size_t narrow = size_t(fit->rows) * size.width * 3;
  RETURN_IF_ERROR(grow(narrow_, narrow, "narrow pictures", stream));
  const int* const ints = reinterpret_cast<const int*>(fit->weights.data());
  const int64_t line = int64_t{size.width} * 3, wide = int64_t{file.size.width} * 3;
  FitPass across{.from = reinterpret_cast<const uint8_t*>(pixels) + fit->first_row * wide,
                 .to = reinterpret_cast<uint8_t*>(narrow_.data()),
                 .lines = fit->rows,
                 .out = size.width,
                 .from_step = 3,
                 .from_line = wide,
                 .to_step = 3,
                 .to_line = line,
                 .spans = ints,
                 .values = ints + fit->across_values,
                 .most = fit->across_most};
  CUDA_OR_RETURN("cannot fit a picture", launch_fit(across, {stream}));
  FitPass down{.from = across.to,
               .to = reinterpret_cast<uint8_t*>(file.to),
               .lines = size.width,
               .out = size.height,
               .from_step = line,
               .from_line = 3,
               .to_step = line,
               .to_line = 3,
               .spans = ints + fit->down_spans,
               .values = ints + fit->down_values,
               .most = fit->down_most,
               .first = fit->first_row};
  CUDA_OR_RETURN("cannot fit a picture", launch_fit(down, {stream}));
  return ok();
}

}  // namespace corolla::engine::cuda
