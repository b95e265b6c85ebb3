#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "engine/image/decoders.h"

namespace corolla::engine {
namespace {

// As in jpeg.cc: errors come by longjmp, so what has a destructor lives here.
struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> left;
  char sentence[200] = "";
  Decoded decoded;
  std::vector<png_bytep> rows;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

void on_error(png_structp png, png_const_charp what) {
  Reader& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader.sentence, sizeof reader.sentence, "%s", what);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t size) {
  Reader& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (size > reader.left.size()) png_error(png, "it is truncated");
  std::memcpy(to, reader.left.data(), size);
  reader.left = reader.left.subspan(size);
}

bool read_head(Reader& reader, const PictureLimits& limits) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, on_read);
  png_set_chunk_malloc_max(reader.png, 8 << 20);
  png_set_chunk_cache_max(reader.png, 100);
  // A row may be as long as the whole limit; the product is checked once both are known.
  const auto most = static_cast<png_uint_32>(limits.most_pixels);
  png_set_user_limits(reader.png, most, most);
  png_read_info(reader.png, reader.info);
  return true;
}

bool read_pixels(Reader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_expand(reader.png);  // palettes to RGB, few bits of grey to eight
  png_set_strip_16(reader.png);
  png_set_gray_to_rgb(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  if (png_get_rowbytes(reader.png, reader.info) != size_t(reader.decoded.picture.width) * 3)
    png_error(reader.png, "its colours cannot be brought to RGB");
  png_read_image(reader.png, reader.rows.data());
  png_read_end(reader.png, reader.info);
  return true;
}

int orientation_of(png_structp png, png_infop info) {
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(png, info, &size, &exif) != PNG_INFO_eXIf) return 1;
  return exif_orientation(std::as_bytes(std::span(exif, size)));
}

}  // namespace

Result<Decoded> decode_png(std::span<const std::byte> file, const PictureLimits& limits) {
  Reader reader;
  reader.left = file;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (!reader.info) return Error{Code::kInternal, "libpng does not start: no memory"};
  const auto broken = [&] {
    return Error{Code::kInvalidArgument,
                 std::string("the PNG picture cannot be decoded: ") + reader.sentence};
  };
  if (!read_head(reader, limits)) return broken();
  const png_uint_32 width = png_get_image_width(reader.png, reader.info);
  const png_uint_32 height = png_get_image_height(reader.png, reader.info);
  RETURN_IF_ERROR(check_size("PNG", width, height, limits));
  Picture& picture = reader.decoded.picture;
  picture = {static_cast<int>(width), static_cast<int>(height),
             std::vector<uint8_t>(size_t(width) * height * 3)};
  for (png_uint_32 y = 0; y < height; ++y)
    reader.rows.push_back(picture.rgb.data() + size_t(y) * width * 3);
  if (!read_pixels(reader)) return broken();
  reader.decoded.orientation = orientation_of(reader.png, reader.info);
  return std::move(reader.decoded);
}

}  // namespace corolla::engine
