// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// rt ops as loads, stores and calls on the structs of dlc/exec.h.
#include "FunctionEmitter.h"

#include "Conversion/RTToLLVM/RTToLLVM.h"
#include "dlc/exec.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace dlc {

FunctionEmitter::FunctionEmitter(rt::ProgramOp program, StringRef name,
                                 StringRef prefix)
    : program(program), prefix(prefix), b(program.getLoc(), program),
      pointer(LLVM::LLVMPointerType::get(b.getContext())), i32(b.getI32Type()),
      i64(b.getI64Type()), deviceKernels(getDeviceKernels(program)) {
  function = LLVM::LLVMFuncOp::create(
      b, name, LLVM::LLVMFunctionType::get(i32, {pointer}));
  function.setNoUnwind(true);
  Block *entry = function.addEntryBlock(b);
  exec = entry->getArgument(0);
  exit = b.createBlock(&function.getBody());
  exit->addArgument(i32, program.getLoc());
  LLVM::ReturnOp::create(b, exit->getArgument(0));
  b.setInsertionPointToEnd(entry);
}

Value FunctionEmitter::constant(Type type, int64_t value) {
  return LLVM::ConstantOp::create(b, type, b.getIntegerAttr(type, value));
}

Value FunctionEmitter::asI64(Value index) {
  return arith::IndexCastOp::create(b, i64, index);
}

Value FunctionEmitter::advance(Value base, int64_t bytes) {
  if (bytes == 0) {
    return base;
  }
  return LLVM::GEPOp::create(
      b, pointer, b.getI8Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(bytes)});
}

Value FunctionEmitter::loadField(size_t field, Type type) {
  return LLVM::LoadOp::create(b, type, advance(exec, field));
}

Value FunctionEmitter::elementAddress(size_t field, int64_t index) {
  return advance(loadField(field, pointer), index * 8);
}

void FunctionEmitter::storeAt(Value base, int64_t bytes, Value value) {
  LLVM::StoreOp::create(b, value, advance(base, bytes));
}

void FunctionEmitter::storeArray(Value array, ValueRange range) {
  for (auto [i, value] : llvm::enumerate(range)) {
    storeAt(array, i * 8, value);
  }
}

SmallVector<Value> FunctionEmitter::lookUp(ValueRange range, bool asI64s) {
  return llvm::map_to_vector(range, [&](Value value) {
    Value here = values.lookup(value);
    return asI64s ? asI64(here) : here;
  });
}

template <typename RecordT>
int64_t FunctionEmitter::flatDim(int64_t value, int64_t dim) {
  for (RecordT record : program.getBody().getOps<RecordT>()) {
    if (value-- == 0) {
      break;
    }
    dim += record.getTensorType().getRank();
  }
  return dim;
}

void FunctionEmitter::returnUnlessZero(Value status) {
  Value failed = LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::ne, status,
                                      constant(status.getType(), 0));
  Block *next = b.createBlock(exit);
  b.setInsertionPointToEnd(failed.getParentBlock());
  LLVM::CondBrOp::create(b, failed, exit, ValueRange{status}, next,
                         ValueRange());
  b.setInsertionPointToEnd(next);
}

static size_t countTensorMaps(rt::LaunchOp launch) {
  return launch.getMaps() ? launch.getMaps()->size() : 0;
}

/// One set of arrays serves all launches: they are read during the call only.
void FunctionEmitter::allocateFrame(Region &body) {
  size_t mostBuffers = 0, mostSizes = 0, mostMaps = 0, launches = 0;
  for (Operation &op : body.front()) {
    if (auto launch = dyn_cast<rt::LaunchOp>(op)) {
      mostBuffers = std::max(mostBuffers, launch.getBuffers().size());
      mostSizes = std::max(mostSizes, launch.getSizes().size());
      mostMaps = std::max(mostMaps, countTensorMaps(launch));
      ++launches;
    } else if (auto check = dyn_cast<rt::CheckOp>(op)) {
      mostSizes = std::max(mostSizes, check.getValues().size());
    }
  }
  auto allocate = [&](Type element, size_t count) -> Value {
    return LLVM::AllocaOp::create(b, pointer, element, constant(i64, count), 8);
  };
  buffers = allocate(pointer, std::max<size_t>(mostBuffers, 1));
  sizes = allocate(i64, std::max<size_t>(mostSizes, 1));
  if (program.getOnDevice()) {
    element = allocate(i64, 1);
    deviceRecord = allocate(i64, sizeof(dlc_device_launch) / 8);
    storeAt(deviceRecord, offsetof(dlc_device_launch, buffers), buffers);
    storeAt(deviceRecord, offsetof(dlc_device_launch, sizes), sizes);
    if (mostMaps > 0) {
      maps = allocate(i64, mostMaps * sizeof(dlc_tensor_map) / 8);
      storeAt(deviceRecord, offsetof(dlc_device_launch, maps), maps);
    }
  } else if (launches > 0) {
    launchRecord = allocate(i64, sizeof(dlc_launch) / 8);
    storeAt(launchRecord, offsetof(dlc_launch, buffers), buffers);
    storeAt(launchRecord, offsetof(dlc_launch, sizes), sizes);
  }
}

void FunctionEmitter::callExec(size_t field, ValueRange operands) {
  SmallVector<Value> all{loadField(field, pointer), exec};
  llvm::append_range(all, operands);
  SmallVector<Type> types =
      llvm::map_to_vector(ArrayRef(all).drop_front(),
                          [](Value operand) { return operand.getType(); });
  auto type = LLVM::LLVMFunctionType::get(i32, types);
  returnUnlessZero(LLVM::CallOp::create(b, type, all).getResult());
}

/// `dynamic` are the map's values for `?`. What the runtime does not read of
/// the record stays as it is.
void FunctionEmitter::storeTensorMap(Value record, rt::TensorMapAttr map,
                                     ValueRange dynamic) {
  auto store32 = [&](size_t field, int64_t value) {
    storeAt(record, field, constant(i32, value));
  };
  auto storeExtent = [&](size_t field, int64_t extent) {
    Value value;
    if (ShapedType::isDynamic(extent)) {
      value = asI64(values.lookup(dynamic.front()));
      dynamic = dynamic.drop_front();
    } else {
      value = constant(i64, extent);
    }
    storeAt(record, field, value);
  };
  store32(offsetof(dlc_tensor_map, buffer), map.getBuffer());
  store32(offsetof(dlc_tensor_map, element_bytes), map.getElementBytes());
  store32(offsetof(dlc_tensor_map, rank), map.getRank());
  store32(offsetof(dlc_tensor_map, swizzle_bytes), map.getSwizzleBytes());
  store32(offsetof(dlc_tensor_map, reserved), 0);
  for (auto [dim, size] : llvm::enumerate(map.getSizes())) {
    storeExtent(offsetof(dlc_tensor_map, sizes) + 8 * dim, size);
  }
  for (auto [dim, stride] : llvm::enumerate(map.getStrides())) {
    storeExtent(offsetof(dlc_tensor_map, strides) + 8 * (dim + 1), stride);
  }
  for (auto [dim, size] : llvm::enumerate(map.getBox())) {
    store32(offsetof(dlc_tensor_map, box) + 4 * dim, size);
  }
}

uint32_t FunctionEmitter::emitTensorMaps(rt::LaunchOp launch) {
  size_t count = countTensorMaps(launch);
  if (count == 0) {
    return 0;
  }
  ValueRange dynamic = launch.getMapSizes();
  for (auto [i, map] :
       llvm::enumerate(launch.getMapsAttr().getAsRange<rt::TensorMapAttr>())) {
    unsigned taken = map.getNumDynamic();
    storeTensorMap(advance(maps, i * sizeof(dlc_tensor_map)), map,
                   dynamic.take_front(taken));
    dynamic = dynamic.drop_front(taken);
  }
  storeAt(deviceRecord, offsetof(dlc_device_launch, num_maps),
          constant(i32, count));
  storeAt(deviceRecord, offsetof(dlc_device_launch, reserved),
          constant(i32, 0));
  return DLC_LAUNCH_MAPS;
}

void FunctionEmitter::emitDeviceLaunch(rt::LaunchOp launch) {
  int64_t withMaps = emitTensorMaps(launch);
  const auto *kernel = llvm::find(deviceKernels, launch.getKernel());
  auto store32 = [&](size_t field, Value value) {
    storeAt(deviceRecord, field, value);
  };
  auto storeDims = [&](size_t field, Value x) {
    store32(field, x);
    store32(field + 4, constant(i32, 1));
    store32(field + 8, constant(i32, 1));
  };
  store32(offsetof(dlc_device_launch, kernel),
          constant(i32, (kernel - deviceKernels.begin()) | withMaps));
  store32(offsetof(dlc_device_launch, dispatch), constant(i32, nextDispatch++));
  storeArray(buffers, lookUp(launch.getBuffers(), false));
  storeArray(sizes, lookUp(launch.getSizes(), true));
  store32(offsetof(dlc_device_launch, num_buffers),
          constant(i32, launch.getBuffers().size()));
  store32(offsetof(dlc_device_launch, num_sizes),
          constant(i32, launch.getSizes().size()));
  Value blocks = asI64(values.lookup(launch.getItems()));
  storeDims(offsetof(dlc_device_launch, grid),
            LLVM::TruncOp::create(b, i32, blocks));
  storeDims(offsetof(dlc_device_launch, block),
            constant(i32, *launch.getThreads()));
  storeDims(offsetof(dlc_device_launch, cluster),
            constant(i32, launch.getCluster().value_or(1)));
  store32(offsetof(dlc_device_launch, shared_bytes),
          constant(i32, launch.getSharedBytes().value_or(0)));
  storeAt(deviceRecord, offsetof(dlc_device_launch, scratch_bytes),
          launch.getScratch() ? asI64(values.lookup(launch.getScratch()))
                              : constant(i64, 0));
  callExec(offsetof(dlc_exec, device_launch), deviceRecord);
}

void FunctionEmitter::emitDeviceCopy(rt::CopyOp copy) {
  callExec(offsetof(dlc_exec, device_copy),
           {values.lookup(copy.getTarget()), values.lookup(copy.getSource()),
            asI64(values.lookup(copy.getSize()))});
}

/// The element of `type` at a place on the device.
Value FunctionEmitter::emitDeviceRead(Value address, Type type) {
  callExec(offsetof(dlc_exec, device_read),
           {element, address,
            constant(i64, llvm::divideCeil(type.getIntOrFloatBitWidth(), 8))});
  return LLVM::LoadOp::create(b, type, element);
}

void FunctionEmitter::emitLaunch(rt::LaunchOp launch) {
  if (program.getOnDevice()) {
    emitDeviceLaunch(launch);
    return;
  }
  std::string name = getKernelSymbol(prefix, launch.getKernel());
  Operation *module = program->getParentOp();
  if (!SymbolTable::lookupSymbolIn(module, name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(program);
    LLVM::LLVMFuncOp::create(
        b, name,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                    {pointer, pointer, i64, i64, pointer}));
  }
  Value kernel = LLVM::AddressOfOp::create(b, pointer, name);
  storeAt(launchRecord, offsetof(dlc_launch, kernel), kernel);
  storeArray(buffers, lookUp(launch.getBuffers(), false));
  storeArray(sizes, lookUp(launch.getSizes(), true));
  storeAt(launchRecord, offsetof(dlc_launch, items),
          asI64(values.lookup(launch.getItems())));
  storeAt(launchRecord, offsetof(dlc_launch, work),
          asI64(values.lookup(launch.getWork())));
  storeAt(launchRecord, offsetof(dlc_launch, scratch_bytes),
          launch.getScratch() ? asI64(values.lookup(launch.getScratch()))
                              : constant(i64, 0));
  storeAt(launchRecord, offsetof(dlc_launch, dispatch),
          constant(i32, nextDispatch++));
  callExec(offsetof(dlc_exec, launch), launchRecord);
}

void FunctionEmitter::emitCheck(rt::CheckOp check) {
  Block *failed = b.createBlock(exit), *next = b.createBlock(exit);
  Value condition = values.lookup(check.getCondition());
  b.setInsertionPointToEnd(failed->getPrevNode());
  LLVM::CondBrOp::create(b, condition, next, ValueRange(), failed,
                         ValueRange());
  b.setInsertionPointToEnd(failed);
  storeArray(sizes, lookUp(check.getValues(), true));
  Value callee = loadField(offsetof(dlc_exec, fail), pointer);
  auto type = LLVM::LLVMFunctionType::get(i32, {pointer, i32, pointer, i32});
  Value status = LLVM::CallOp::create(
                     b, type,
                     ValueRange{callee, exec, constant(i32, nextCheck++), sizes,
                                constant(i32, check.getValues().size())})
                     .getResult();
  LLVM::BrOp::create(b, ValueRange{status}, exit);
  b.setInsertionPointToEnd(next);
}

Value FunctionEmitter::emitLoad(rt::LoadOp load) {
  Type type = load.getType();
  bool isBool = type.isInteger(1);
  Type stored = isBool ? b.getI8Type() : type;
  Value address = LLVM::GEPOp::create(
      b, pointer, stored, values.lookup(load.getAddress()),
      ArrayRef<LLVM::GEPArg>{asI64(values.lookup(load.getPlace()))});
  Value loaded = !program.getOnDevice()
                     ? Value(LLVM::LoadOp::create(b, stored, address))
                     : emitDeviceRead(address, stored);
  return isBool ? LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::ne, loaded,
                                       constant(stored, 0))
                      .getResult()
                : loaded;
}

Value FunctionEmitter::emitLate(size_t field, unsigned index, Value bytes) {
  Value callee = loadField(field, pointer);
  auto type = LLVM::LLVMFunctionType::get(pointer, {pointer, i32, i64});
  Value address =
      LLVM::CallOp::create(
          b, type, ValueRange{callee, exec, constant(i32, index), asI64(bytes)})
          .getResult();
  Value null = LLVM::ZeroOp::create(b, pointer);
  Value missing =
      LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::eq, address, null);
  returnUnlessZero(LLVM::SExtOp::create(b, i32, missing));
  return address;
}

/// The ops that give an address or a size without an effect; null for others.
Value FunctionEmitter::emitPlace(Operation *op) {
  auto element = [&](size_t field, Type type, int64_t index) -> Value {
    return LLVM::LoadOp::create(b, type, elementAddress(field, index));
  };
  auto offset = [&](size_t field, Value bytes) -> Value {
    return LLVM::GEPOp::create(b, pointer, b.getI8Type(),
                               loadField(field, pointer),
                               ArrayRef<LLVM::GEPArg>{bytes});
  };
  return TypeSwitch<Operation *, Value>(op)
      .Case([&](rt::InputDimOp o) -> Value {
        int64_t place = flatDim<rt::InputOp>(o.getInput(), o.getDim());
        return arith::IndexCastOp::create(
            b, b.getIndexType(),
            element(offsetof(dlc_exec, input_dims), i64, place));
      })
      .Case([&](rt::InputAddressOp o) {
        return element(offsetof(dlc_exec, inputs), pointer, o.getIndex());
      })
      .Case([&](rt::OutputAddressOp o) {
        return element(offsetof(dlc_exec, outputs), pointer, o.getIndex());
      })
      .Case([&](rt::ArenaAddressOp o) {
        return offset(
            offsetof(dlc_exec, arena),
            element(offsetof(dlc_exec, buffer_offsets), i64, o.getIndex()));
      })
      .Case([&](rt::ParamAddressOp o) {
        return offset(offsetof(dlc_exec, params), constant(i64, o.getOffset()));
      })
      .Case([&](rt::LateAddressOp o) {
        return emitLate(offsetof(dlc_exec, late), o.getIndex(),
                        values.lookup(o.getSize()));
      })
      .Case([&](rt::LateOutputAddressOp o) {
        return emitLate(offsetof(dlc_exec, late_output), o.getIndex(),
                        values.lookup(o.getSize()));
      })
      .Case([&](rt::LoadOp o) { return emitLoad(o); })
      .Default([](Operation *) { return Value(); });
}

void FunctionEmitter::emitOp(Operation *op) {
  b.setLoc(op->getLoc());
  if (Value result = emitPlace(op)) {
    values.map(op->getResult(0), result);
    return;
  }
  auto store = [&](Value size, size_t field, int64_t index) {
    LLVM::StoreOp::create(b, asI64(values.lookup(size)),
                          elementAddress(field, index));
  };
  TypeSwitch<Operation *>(op)
      .Case([&](rt::SetOutputDimOp o) {
        store(o.getSize(), offsetof(dlc_exec, output_dims),
              flatDim<rt::OutputOp>(o.getOutput(), o.getDim()));
      })
      .Case([&](rt::SetBufferBytesOp o) {
        store(o.getSize(), offsetof(dlc_exec, buffer_bytes), o.getBuffer());
      })
      .Case([&](rt::LaunchOp o) { emitLaunch(o); })
      .Case([&](rt::CopyOp o) {
        if (program.getOnDevice()) {
          emitDeviceCopy(o);
          return;
        }
        LLVM::MemcpyOp::create(b, values.lookup(o.getTarget()),
                               values.lookup(o.getSource()),
                               asI64(values.lookup(o.getSize())),
                               /*isVolatile=*/false);
      })
      .Case([&](rt::CheckOp o) { emitCheck(o); })
      .Default([&](Operation *other) { b.clone(*other, values); });
}

void FunctionEmitter::emit(Region &body, unsigned firstCheck) {
  nextCheck = firstCheck;
  allocateFrame(body);
  for (Operation &op : body.front()) {
    emitOp(&op);
  }
  b.setLoc(program.getLoc());
  LLVM::BrOp::create(b, ValueRange{constant(i32, 0)}, exit);
}

} // namespace dlc
