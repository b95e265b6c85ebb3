// JPEG files to pixels on the device by nvJPEG, where its library is installed: by the GPU's own
// JPEG engine if it has one. It takes a tenth of the host's time that decoding on the host takes.
//
// Files are hostile: only those that engine/image's plain_jpeg() passes belong here, and whatever
// nvJPEG will not decode is for the host's decoder, which has the sentences.
//
// Not thread-safe: one a lane. Answers are within a few levels of the host's decoder, which rounds
// differently.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cuda/device_memory.h"
#include "engine/image/picture_size.h"

namespace corolla::engine::cuda {

struct NvJpeg;  // the library's functions

class JpegDecoder {
 public:
  // kNotFound: no nvJPEG here; kUnavailable: it does not work on this device.
  static Result<std::unique_ptr<JpegDecoder>> make();
  ~JpegDecoder();

  struct File {
    std::span<const std::byte> bytes;
    PictureSize size;
    std::byte* to;  // device memory for a row of the model's size
  };
  // Decodes and fits all of them, in the stream's order; bytes may go once the stream has got
  // there. False: nvJPEG refused one, or device memory for them cannot be had; none is of use, and
  // bytes may go. An Error: the device is broken.
  Result<bool> decode(std::span<const File> files, PictureSize size, cudaStream_t stream);

 private:
  JpegDecoder() = default;
  // As decode(); kTooLarge: there is no memory. Unless it is true, files may still be read.
  Result<bool> try_decode(std::span<const File> files, PictureSize size, cudaStream_t stream);
  Status fit(const File& file, const std::byte* pixels, PictureSize size, cudaStream_t stream);

  const NvJpeg* library_ = nullptr;
  void* handle_ = nullptr;
  void* state_ = nullptr;
  int batch_ = 0;                 // that the state was made for
  DeviceMemory pixels_, narrow_;  // of pictures that are to be fitted
  bool lacked_memory_ = false;    // and it was said

  // The weights from one size to another that were used lately, on the device.
  struct Fit {
    PictureSize from, to;
    DeviceMemory weights;
    size_t across_values = 0, down_spans = 0, down_values = 0;  // in ints
    int across_most = 0, down_most = 0, first_row = 0, rows = 0;
  };
  Result<const Fit*> fit_for(const File& file, PictureSize size, cudaStream_t stream);
  std::vector<Fit> fits_;
};

}  // namespace corolla::engine::cuda
