// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A decoded kernel: compact instructions over register rows. A row holds one
// register of all 32 lanes of a warp: 128 bytes for registers up to 32 bits,
// 256 bytes for 64-bit ones; a predicate is one 32-bit lane mask.
#ifndef PTXSIM_PROGRAM_H
#define PTXSIM_PROGRAM_H

#include "Ast.h"
#include "OpcodeTable.h"

namespace ptxsim {

struct Inst;
struct Warp;

/// Executes one instruction and tail-calls the next one's handler.
/// R: the warp's rows; M: mask of active lanes.
using Handler = void (*)(const Inst *I, uint8_t *R, Warp *W, uint32_t M);

/// One decoded instruction. D and A..E are byte offsets of rows in the warp's
/// register file. 64 bytes, so that one is one cache line.
struct alignas(64) Inst {
  Handler Fn = nullptr;
  uint32_t D = 0, A = 0, B = 0, C = 0, E = 0;
  uint32_t Pred = 0;    // row of the guard; the all-ones row if unguarded
  uint32_t PredXor = 0; // ~0 for '@!p'
  int32_t Imm = 0;      // address offset
  uint32_t Target = 0;  // branch target
  uint32_t Rpc = ~0u;   // reconvergence point of a branch, ~0 for none
  uint32_t X = 0;       // index into Program::Extra or Program::Details
  uint16_t Aux = 0;
  uint8_t Count = 1; // vector elements of a memory access
  uint8_t Bytes = 0; // bytes per element of a memory access
  Space Where = Space::Generic;
  bool Wide = false; // the address row is 64 bits wide
  uint16_t OpId = 0; // Op, for reports
};
static_assert(sizeof(Inst) == 64);

enum class SpecialReg : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NwarpId,
  SmId,
  NsmId,
  GridId,
  LanemaskEq,
  LanemaskLe,
  LanemaskLt,
  LanemaskGe,
  LanemaskGt,
  ClusteridX,
  ClusteridY,
  ClusteridZ,
  NclusteridX,
  NclusteridY,
  NclusteridZ,
  ClusterCtaidX,
  ClusterCtaidY,
  ClusterCtaidZ,
  ClusterNctaidX,
  ClusterNctaidY,
  ClusterNctaidZ,
  ClusterCtarank,
  ClusterNctarank,
  IsExplicitCluster,
  TotalSmem,
  DynamicSmem,
  AggrSmem,
  Zero,
  GridWorkspaceHigh, // address of the workspace of a cooperative launch, else 0
  GridWorkspaceLow,
  ParamAddress, // Value is the offset in the parameter buffer
  ParamValue,   // Value is the offset, Bytes the size, sign extended if Signed
  ReservedSmem,
  ReservedSmemEnd,
  Clock, // from here on read by an instruction of their own
  ClockHigh,
  Clock64,
  Globaltimer,
  GlobaltimerLow,
  GlobaltimerHigh,
};

/// A row of the launch image that is filled when a kernel or CTA starts.
struct ImageRow {
  uint32_t Offset = 0;
  SpecialReg Which = SpecialReg::Zero;
  uint64_t Value = 0;
  uint8_t Bytes = 4; // of a parameter value
  bool Wide = false, Signed = false;
};
struct ConstRow {
  uint32_t Offset = 0;
  uint64_t Value = 0;
  bool Wide = false;
};

/// Operands of an instruction that does not fit Inst's five row offsets.
struct DetailOperand {
  uint16_t First = 0, Count = 0; // in Detail::Slots
  bool Wide = false, Negated = false;
  int32_t Offset = 0; // address offset
};
struct Detail {
  OpcodeInfo Info;
  std::vector<uint32_t> Slots;
  std::vector<DetailOperand> Operands;
  std::vector<int64_t> Immediates;
  uint32_t slot(unsigned Operand, unsigned K = 0) const {
    return Slots[Operands[Operand].First + K];
  }
  bool has(unsigned Operand) const {
    return Operand < Operands.size() && Operands[Operand].Count;
  }
};

/// Where an instruction came from, and what it reads and writes, for reports
/// and for the register checks.
struct InstDebug {
  uint32_t Line = 0, SourceFile = 0, SourceLine = 0;
  std::string_view Text;
  OpClass Class = OpClass::Control;
  uint32_t Info = 0; // index into Program::Infos
};

/// Consecutive f32 multiply-adds that run as one instruction (FmaRun.cpp).
struct FmaRun {
  uint32_t Table = 0; // in Program::FmaTables
  uint32_t Count = 0;
  Handler Single = nullptr; // runs the first step only
};

/// What an mma.sync needs: where the decoded images of its operands are and
/// whether it has to make them (exec/MmaPlan.h), and which rows it uses.
struct MmaPlan {
  static constexpr uint32_t NoRun = ~0u;
  uint16_t ImageA = 0, ImageB = 0;
  bool BuildA = true, BuildB = true;
  uint8_t K = 0;
  Type TypeA{}, TypeB{};
  uint32_t Run = NoRun;                  // that begins here
  uint32_t D[4] = {}, C[4] = {};         // rows of accumulators
  uint32_t RowsA[4] = {}, RowsB[2] = {}; // rows of fragments
};
/// Products of one image of A that run together: column groups side by side.
/// With two steps the products of two images follow each other on the same
/// accumulators. Offsets count elements from the first image.
struct MmaGroup {
  static constexpr unsigned Most = 4, MostSteps = 2;
  uint16_t Count = 0, Steps = 1;
  uint32_t OffsetA[MostSteps] = {}, OffsetB[MostSteps][Most] = {};
  uint32_t D[4 * Most] = {}, C[4 * Most] = {};
};
/// Consecutive mma.sync instructions that run as one. All images are made
/// first, by the plans of a list, then the groups run in order. A run without
/// groups leaves its products to the next one, its partner.
struct MmaRun {
  uint32_t Begin = 0; // in Program::Code
  uint32_t FirstPlan = 0, NumPlans = 0, FirstGroup = 0, NumGroups = 0;
  uint32_t FirstBuilder = 0, NumBuilders = 0; // in Program::MmaBuilders
  uint32_t Partner = MmaPlan::NoRun;
};

/// What a call through a pointer finds at an address.
struct CallTarget {
  uint64_t Address = 0;
  uint32_t Entry = 0; // in Program::Code
  uint64_t FrameBytes = 0;
};

/// A virtual register that an instruction reads or writes.
struct RegisterUse {
  static constexpr uint8_t Guard = 255; // instead of an operand number
  uint32_t Register = 0;                // below Program::NumRegisters
  uint8_t Operand = 0;
  bool Reads = false, Writes = false, Predicate = false, Wide = false;
};

struct Program {
  std::string Name;
  std::shared_ptr<const Module> Owner;
  const Function *Source = nullptr;
  std::vector<Inst> Code;
  std::vector<uint32_t> Extra;
  std::vector<Detail> Details;
  std::vector<InstDebug> Debug;
  std::vector<std::vector<uint32_t>> BranchTables;
  std::vector<std::vector<CallTarget>> CallTables; // by ascending addresses
  std::vector<uint32_t> FmaTables;
  std::vector<FmaRun> FmaRuns;
  std::vector<MmaPlan> MmaPlans;
  std::vector<MmaGroup> MmaGroups;
  std::vector<MmaRun> MmaRuns;
  std::vector<uint32_t> MmaBuilders; // plans of runs that make an image
  std::vector<ConstRow> Consts;
  std::vector<ImageRow> Image;
  uint32_t RowBytes = 0; // register file of one warp
  uint32_t StaticShared = 0, DynamicSharedOffset = 0;
  uint32_t LocalBytes = 0, ParamBytes = 0;
  // Behind them the stack, if one is used: StackBytes for calls that do not
  // recurse, more (CU_LIMIT_STACK_SIZE) if it is unbounded, and ArgumentBytes
  // in which a call that finds no room has put its arguments.
  uint64_t StackBytes = 0, ArgumentBytes = 0;
  uint32_t FrameAlign = 16;
  bool UsesStack = false, StackUnbounded = false;
  bool UsesReserved = false;   // shared memory of the system, behind all other
  uint32_t Registers = 0;      // 32-bit registers per thread, an estimate
  bool FlushDenormals = false; // every f32 operation is .ftz
  bool GlobalAtomics = false;  // results may depend on CTA order
  bool WaitsOnGlobal = false;  // may spin on another CTA's stores
  bool MaySpin = false;        // reads what other threads may change meanwhile
  bool ReadsClock = false;
  bool UsesCluster = false;
  bool UsesWgmma = false;
  uint32_t NumCaches = 0; // allocation caches of memory instructions
  // Registers of every instruction: Uses[FirstUse[Pc]] up to the next one's.
  std::vector<RegisterUse> Uses;
  std::vector<uint32_t> FirstUse;
  uint32_t NumRegisters = 0;
  // The copy that checks registers, made when first needed, and in that copy
  // the handlers the checks go on to.
  mutable std::shared_ptr<const Program> Checked;
  std::vector<Handler> Unchecked;
};

/// Address of a module variable, 0 if unknown. Filled by the module loader.
using SymbolTable = std::map<std::string, uint64_t, std::less<>>;

/// Decodes one entry. The module must stay alive (it is shared).
std::unique_ptr<Program> decodeKernel(std::shared_ptr<const Module> M,
                                      const Function &Entry,
                                      const SymbolTable &Symbols,
                                      Diagnostic &Diag);

/// Whether calls of a function that no module defines mean one that the
/// simulator has.
bool isRuntimeFunction(std::string_view Name);

/// First shared-memory address a CTA may use: smaller ones belong to the
/// system on the hardware as well, so null pointers into shared memory fault.
constexpr uint32_t SharedBase = 1024;
/// Shared memory of the system, for kernels that read %reserved_smem_offset: it
/// lies behind theirs, at a multiple of its size from SharedBase, and is zero
/// at the start.
constexpr uint32_t ReservedSharedBytes = 1024;
/// Base of the windows of shared and local memory in the generic space.
constexpr uint64_t SharedWindow = uint64_t(1) << 56;
constexpr uint64_t LocalWindow = uint64_t(2) << 56;
/// mapa puts rank + 1 into the bits from here on; 0 is the CTA itself.
constexpr unsigned ClusterRankShift = 24;

} // namespace ptxsim
#endif
