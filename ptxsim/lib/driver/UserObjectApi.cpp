// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// User objects: reference counts that callers, graphs and executable graphs
// share; the last one to go calls the destructor, in the thread that lets go.
#include "State.h"
#include <climits>

using namespace ptxsim;
using namespace ptxsim::abi;

static UserObject *find(CUuserObject O) {
  auto *Object = reinterpret_cast<UserObject *>(O);
  return state().UserObjects.count(Object) ? Object : nullptr;
}
static void retain(UserObject &O, uint64_t Count) { O.Count += Count; }
static void release(UserObject *O, uint64_t Count) {
  O->Count -= std::min(O->Count, Count);
  if (O->Count)
    return;
  state().UserObjects.erase(O);
  O->Destroy(O->Data);
  delete O;
}

// ---- of graphs -----------------------------------------------------------
UserReferences::UserReferences(const UserReferences &From) { add(From); }
UserReferences &UserReferences::operator=(UserReferences &&From) {
  Held.swap(From.Held); // From lets go of the old ones
  return *this;
}
UserReferences::~UserReferences() {
  for (auto [Object, Count] : Held)
    release(Object, Count);
}
void UserReferences::add(const UserReferences &From) {
  for (auto [Object, Count] : From.Held) {
    retain(*Object, Count);
    Held[Object] += Count;
  }
}
void UserReferences::take(UserObject *Object, uint64_t Count) {
  Held[Object] += Count;
}
bool UserReferences::drop(UserObject *Object, uint64_t Count) {
  auto It = Held.find(Object);
  if (It == Held.end() || It->second < Count)
    return false;
  if (!(It->second -= Count))
    Held.erase(It);
  release(Object, Count);
  return true;
}

static void addAll(const GraphObject &G, UserReferences &Out) {
  Out.add(G.Objects);
  for (const auto &N : G.Nodes)
    if (auto *Child = std::get_if<ChildNode>(&N->Params))
      addAll(*Child->Graph, Out);
}
UserReferences ptxsim::userReferencesOf(const GraphObject &G) {
  UserReferences Out;
  addAll(G, Out);
  return Out;
}

// ---- entries -------------------------------------------------------------
static bool isCount(unsigned Count) { return Count && Count <= INT_MAX; }

PTXSIM_API CUresult cuUserObjectCreate(CUuserObject *Out, void *Data,
                                       CUhostFn Destroy, unsigned Count,
                                       unsigned Flags) {
  constexpr unsigned NoDestructorSync = 1; // has to be set
  std::lock_guard Guard(state().Lock);
  if (!Out || !Destroy || !isCount(Count) || Flags != NoDestructorSync)
    return CUDA_ERROR_INVALID_VALUE;
  auto *New = new UserObject{Destroy, Data, Count};
  state().UserObjects.insert(New);
  *Out = reinterpret_cast<CUuserObject>(New);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuUserObjectRetain(CUuserObject Object, unsigned Count) {
  std::lock_guard Guard(state().Lock);
  UserObject *O = find(Object);
  if (!O || !isCount(Count))
    return CUDA_ERROR_INVALID_VALUE;
  retain(*O, Count);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuUserObjectRelease(CUuserObject Object, unsigned Count) {
  std::lock_guard Guard(state().Lock);
  UserObject *O = find(Object);
  if (!O || !isCount(Count) || Count > O->Count)
    return CUDA_ERROR_INVALID_VALUE;
  release(O, Count);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphRetainUserObject(CUgraph Graph, CUuserObject Object,
                                            unsigned Count, unsigned Flags) {
  constexpr unsigned Move = 1; // the caller's references become the graph's
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  UserObject *O = find(Object);
  if (!G || !O || !isCount(Count) || Flags > Move ||
      (Flags == Move && Count > O->Count))
    return CUDA_ERROR_INVALID_VALUE;
  if (Flags != Move)
    retain(*O, Count);
  G->Objects.take(O, Count);
  return CUDA_SUCCESS;
}
PTXSIM_API CUresult cuGraphReleaseUserObject(CUgraph Graph, CUuserObject Object,
                                             unsigned Count) {
  std::lock_guard Guard(state().Lock);
  GraphObject *G = findGraph(Graph);
  UserObject *O = find(Object);
  bool Ok = G && O && isCount(Count) && G->Objects.drop(O, Count);
  return Ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
