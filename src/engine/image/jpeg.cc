#include <csetjmp>
#include <cstdio>
#include <cstring>

// After <cstdio>, which it needs and does not include.
#include <jerror.h>
#include <jpeglib.h>

#include "engine/image/decoders.h"

namespace corolla::engine {
namespace {

// libjpeg reports errors by a function that must not return. Everything with a destructor lives in
// Reader, outside of the functions that a longjmp leaves.
struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf out;
  char sentence[JMSG_LENGTH_MAX] = "";
  int most_scans = 0;
  Decoded decoded;
  std::vector<uint8_t> line;  // of CMYK
  Status status = ok();

  ~Reader() { jpeg_destroy_decompress(&jpeg); }
};

Reader& reader_of(j_common_ptr common) { return *static_cast<Reader*>(common->client_data); }

void on_error(j_common_ptr common) {
  common->err->format_message(common, reader_of(common).sentence);
  std::longjmp(reader_of(common).out, 1);
}

void on_message(j_common_ptr common, int level) {
  // Other warnings are noise in the picture; this one is the end of the file in the middle of it.
  if (level == -1 && common->err->msg_code == JWRN_JPEG_EOF) {
    std::snprintf(reader_of(common).sentence, JMSG_LENGTH_MAX, "it is truncated");
    std::longjmp(reader_of(common).out, 1);
  }
}

void on_progress(j_common_ptr common) {
  Reader& reader = reader_of(common);
  if (!common->is_decompressor || reader.jpeg.input_scan_number <= reader.most_scans) return;
  std::snprintf(reader.sentence, JMSG_LENGTH_MAX, "it has more than %d scans", reader.most_scans);
  std::longjmp(reader.out, 1);
}

// libjpeg gives CMYK as Adobe stores it, inverted.
void cmyk_to_rgb(const uint8_t* from, uint8_t* to, int pixels) {
  const auto times = [](int a, int b) {
    const int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
  };
  for (int i = 0; i < pixels; ++i, from += 4, to += 3) {
    const int light = from[3];
    for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(light - times(255 - from[c], light));
  }
}

int orientation_in(jpeg_saved_marker_ptr marker) {
  constexpr char kExif[] = "Exif\0";  // six bytes with the end
  for (; marker; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length > sizeof kExif &&
        std::memcmp(marker->data, kExif, sizeof kExif) == 0)
      return exif_orientation(
          std::as_bytes(std::span(marker->data, marker->data_length)).subspan(sizeof kExif));
  return 1;
}

// False when a longjmp ended it.
bool read_head(Reader& reader, std::span<const std::byte> file, const PictureLimits& limits) {
  if (setjmp(reader.out)) return false;
  jpeg_create_decompress(&reader.jpeg);
  reader.jpeg.mem->max_memory_to_use = static_cast<long>(limits.most_memory);
  jpeg_mem_src(&reader.jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_save_markers(&reader.jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_pixels(Reader& reader) {
  if (setjmp(reader.out)) return false;
  jpeg_decompress_struct& jpeg = reader.jpeg;
  const bool cmyk = jpeg.out_color_space == JCS_CMYK;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    uint8_t* row =
        reader.decoded.picture.rgb.data() + size_t(jpeg.output_scanline) * jpeg.output_width * 3;
    JSAMPROW into = cmyk ? reader.line.data() : row;
    jpeg_read_scanlines(&jpeg, &into, 1);
    if (cmyk) cmyk_to_rgb(reader.line.data(), row, static_cast<int>(jpeg.output_width));
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

Result<Decoded> decode_jpeg(std::span<const std::byte> file, const PictureLimits& limits) {
  Reader reader;
  reader.jpeg.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.jpeg.client_data = &reader;
  const auto broken = [&] {
    return Error{Code::kInvalidArgument,
                 std::string("the JPEG picture cannot be decoded: ") + reader.sentence};
  };
  if (!read_head(reader, file, limits)) return broken();
  jpeg_decompress_struct& jpeg = reader.jpeg;
  RETURN_IF_ERROR(check_size("JPEG", jpeg.image_width, jpeg.image_height, limits));
  const bool cmyk = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
  jpeg.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  reader.decoded.orientation = orientation_in(jpeg.marker_list);
  reader.decoded.picture = {static_cast<int>(jpeg.image_width), static_cast<int>(jpeg.image_height),
                            std::vector<uint8_t>(size_t(jpeg.image_width) * jpeg.image_height * 3)};
  if (cmyk) reader.line.resize(size_t(jpeg.image_width) * 4);
  reader.most_scans = limits.most_scans;
  reader.progress.progress_monitor = on_progress;
  jpeg.progress = &reader.progress;
  if (!read_pixels(reader)) return broken();
  return std::move(reader.decoded);
}

}  // namespace corolla::engine
