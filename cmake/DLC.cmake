# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# How dlc's libraries are built. Four functions, and no target is declared in any other way:
#   dlc_add_dialect(NN)              TableGen of include/Dialect/NN/NN{Ops,Attrs,...}.td
#   dlc_add_passes(Transforms)       TableGen of include/Transforms/Passes.td
#   dlc_add_library(DLCFoo a.cpp ... LINK ... DEPENDS ...)
#   dlc_add_tool(dlc-foo main.cpp LINK ...)

# Debian's packages are built without assertions; ours keep them. Set before HandleLLVMOptions.
set(LLVM_ENABLE_ASSERTIONS ON)
# libMLIR.so and the static archives must never be mixed.
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_LINK_LLVM_DYLIB ON)

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(HandleLLVMOptions)
set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_LIBRARY_OUTPUT_DIRECTORY})

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include
                    ${CMAKE_SOURCE_DIR}/runtime/include)
separate_arguments(_llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${_llvm_definitions})
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-rtti$<SEMICOLON>-fno-exceptions> -Wall
                    -Wno-unused-parameter -fvisibility-inlines-hidden)

# One precompiled header of MLIR's core for every library and tool. Timestamps stay out of it and
# templates are instantiated in it, so that ccache can serve it and passes compile in about a second.
add_library(dlc-pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)
target_precompile_headers(dlc-pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
target_compile_options(dlc-pch PRIVATE -Xclang -fno-pch-timestamp -fpch-instantiate-templates)

function(_dlc_use_pch target)
  add_dependencies(${target} dlc-pch)
  target_precompile_headers(${target} REUSE_FROM dlc-pch)
  target_compile_options(${target} PRIVATE -Xclang -fno-pch-timestamp -fpch-instantiate-templates)
endfunction()

# dlc_add_dialect(<Name>): tables of include/Dialect/<Name>/<Name>Ops.td, as target DLC<Name>IncGen.
function(dlc_add_dialect name)
  string(TOLOWER ${name} mnemonic)
  set(LLVM_TARGET_DEFINITIONS ${name}Ops.td)
  mlir_tablegen(${name}Dialect.h.inc -gen-dialect-decls -dialect=${mnemonic})
  mlir_tablegen(${name}Dialect.cpp.inc -gen-dialect-defs -dialect=${mnemonic})
  mlir_tablegen(${name}Enums.h.inc -gen-enum-decls)
  mlir_tablegen(${name}Enums.cpp.inc -gen-enum-defs)
  mlir_tablegen(${name}Attrs.h.inc -gen-attrdef-decls -attrdefs-dialect=${mnemonic})
  mlir_tablegen(${name}Attrs.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${mnemonic})
  mlir_tablegen(${name}Ops.h.inc -gen-op-decls)
  mlir_tablegen(${name}Ops.cpp.inc -gen-op-defs)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}Types.td)
    mlir_tablegen(${name}Types.h.inc -gen-typedef-decls -typedefs-dialect=${mnemonic})
    mlir_tablegen(${name}Types.cpp.inc -gen-typedef-defs -typedefs-dialect=${mnemonic})
  endif()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}Interfaces.td)
    set(LLVM_TARGET_DEFINITIONS ${name}Interfaces.td)
    mlir_tablegen(${name}Interfaces.h.inc -gen-op-interface-decls)
    mlir_tablegen(${name}Interfaces.cpp.inc -gen-op-interface-defs)
  endif()
  add_public_tablegen_target(DLC${name}IncGen)
endfunction()

# dlc_add_passes(<Group>): Passes.h.inc of the Passes.td in this folder, as target DLC<Group>PassIncGen.
function(dlc_add_passes group)
  set(LLVM_TARGET_DEFINITIONS Passes.td)
  mlir_tablegen(Passes.h.inc -gen-pass-decls -name ${group})
  add_public_tablegen_target(DLC${group}PassIncGen)
endfunction()

# dlc_add_library(<target> <sources...> [SHARED] [LINK <libs...>] [DEPENDS <targets...>]): a library of
# ours, static unless SHARED.
function(dlc_add_library target)
  cmake_parse_arguments(ARG "SHARED" "" "LINK;DEPENDS" ${ARGN})
  set(kind STATIC)
  if(ARG_SHARED)
    set(kind SHARED)
  endif()
  add_library(${target} ${kind} ${ARG_UNPARSED_ARGUMENTS})
  _dlc_use_pch(${target})
  if(ARG_DEPENDS)
    add_dependencies(${target} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${target} PUBLIC ${ARG_LINK} MLIR LLVM-22)
endfunction()

# dlc_add_tool(<target> <sources...> [LINK <libs...>]): a program in build/bin.
function(dlc_add_tool target)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${target} ${ARG_UNPARSED_ARGUMENTS})
  # CMake would compile a program with -fPIE, which the precompiled header was not made with.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  _dlc_use_pch(${target})
  target_link_libraries(${target} PRIVATE ${ARG_LINK} MLIR LLVM-22)
endfunction()
