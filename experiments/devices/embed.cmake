# Puts the device files of this folder into the library, so that `--device NAME` works from anywhere.
file(GLOB XST_DEVICE_FILES CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.yaml)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${XST_DEVICE_FILES})
set(XST_DEVICE_ARRAYS "")
set(XST_DEVICE_LIST "")
set(index 0)
foreach(file ${XST_DEVICE_FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} bytes HEX)
  string(LENGTH "${bytes}" size)
  math(EXPR size "${size} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND XST_DEVICE_ARRAYS "static const unsigned char file${index}[] = {${bytes}0};\n")
  string(APPEND XST_DEVICE_LIST "    {\"${name}\", file${index}, ${size}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/ready_devices.c CONTENT
"#include \"crossbar/ready.h\"

@XST_DEVICE_ARRAYS@
const xst_ready_device xst_ready_devices[] = {
@XST_DEVICE_LIST@    {NULL, NULL, 0},
};
" @ONLY)
target_sources(xst PRIVATE ${PROJECT_BINARY_DIR}/ready_devices.c)
