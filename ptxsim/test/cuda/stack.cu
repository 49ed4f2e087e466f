// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The heap and the stack: malloc, new and delete, alloca, recursion, calls
// through pointers and virtual functions that recurse.
#include <cstdint>

struct Cell {
  int Value;
  Cell *Next;
};

// Every thread builds a list, sums it and frees it.
extern "C" __global__ void lists(const int *Length, int *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  Cell *Head = nullptr;
  for (int K = 0; K < Length[I]; ++K)
    Head = new Cell{K * I, Head};
  int Sum = 0;
  while (Head) {
    Sum = Sum * 3 + Head->Value;
    Cell *Next = Head->Next;
    delete Head;
    Head = Next;
  }
  Out[I] = Sum;
}

// Memory outlives the kernel that allocated it.
extern "C" __global__ void keep(int **Slots, int Count) {
  int I = threadIdx.x;
  int *P = static_cast<int *>(malloc(Count * sizeof(int)));
  for (int K = 0; K < Count; ++K)
    P[K] = I * 100 + K;
  Slots[I] = P;
}
extern "C" __global__ void drop(int **Slots, int Count, int *Out) {
  int I = threadIdx.x, Sum = 0;
  int *P = Slots[(I + 1) % blockDim.x];
  for (int K = 0; K < Count; ++K)
    Sum += P[K];
  Out[I] = Sum;
  __syncthreads();
  free(Slots[I]);
}

// Allocates until there is no more; the sizes of what there was.
extern "C" __global__ void exhaust(unsigned long long *Out) {
  void *P[64];
  int N = 0;
  unsigned long long Size = 1 << 20;
#pragma unroll 1
  while (N < 64 && (P[N] = malloc(Size)))
    ++N;
  Out[0] = N;
#pragma unroll 1
  for (int K = 0; K < N; ++K)
    free(P[K]);
  P[0] = malloc(4 * Size);
  Out[1] = P[0] != nullptr;
  free(P[0]);
}

extern "C" __global__ void freeTwice(int *Out) {
  int *P = static_cast<int *>(malloc(16));
  Out[0] = P != nullptr;
  free(P);
  free(P);
}
extern "C" __global__ void useFreed(int *Out) {
  volatile int *P = static_cast<int *>(malloc(16));
  P[0] = 5;
  free(const_cast<int *>(P));
  Out[0] = P[0];
}
extern "C" __global__ void pastEnd(int *Out, int At) {
  volatile int *P = static_cast<int *>(malloc(16));
  P[At] = 5;
  Out[0] = P[At];
}
extern "C" __global__ void readUnwritten(int *Out) {
  volatile int *P = static_cast<int *>(malloc(16));
  Out[0] = P[1];
}

__device__ __noinline__ int sumOf(const int *Values, int Count) {
  int *Copy = static_cast<int *>(alloca(Count * sizeof(int)));
  for (int K = 0; K < Count; ++K)
    Copy[Count - 1 - K] = Values[K] + K;
  int Sum = 0;
  for (int K = 0; K < Count; ++K)
    Sum = Sum * 5 + Copy[K];
  return Sum;
}
extern "C" __global__ void dynamicStack(const int *Values, const int *Count,
                                        int *Out) {
  int I = threadIdx.x, Sum = 0;
  for (int K = 0; K < 40; ++K) // more than the stack holds at once
    Sum ^= sumOf(Values, Count[I]) + K;
  Out[I] = Sum;
}

__device__ __noinline__ unsigned ackermann(unsigned M, unsigned N) {
  if (!M)
    return N + 1;
  if (!N)
    return ackermann(M - 1, 1);
  return ackermann(M - 1, ackermann(M, N - 1));
}
extern "C" __global__ void ackermanns(unsigned *Out) {
  Out[threadIdx.x] = ackermann(threadIdx.x % 3, threadIdx.x / 3);
}

struct Tree {
  int Left, Right, Value;
};
__device__ __noinline__ int walk(const Tree *T, int At, int Depth, int *Path) {
  int Mine[4] = {Depth, At, Depth * At, 7};
  if (At < 0)
    return Path[0];
  Path[0] += Mine[Depth & 3];
  int L = walk(T, T[At].Left, Depth + 1, Mine);
  int R = walk(T, T[At].Right, Depth + 1, Path);
  return 3 * L + R + T[At].Value + Mine[At & 3];
}
extern "C" __global__ void treeSums(const Tree *T, const int *Root, int *Out) {
  int Path[4] = {1, 2, 3, 4};
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  Out[I] = walk(T, Root[I], 0, Path) + Path[0];
}

// Quicksort: calls in both halves, each thread its own part.
__device__ void quicksort(int *First, int *Last) {
  if (Last - First < 2)
    return;
  int Pivot = *First, *Store = First;
  for (int *P = First + 1; P < Last; ++P)
    if (*P < Pivot) {
      int V = *P;
      *P = *++Store;
      *Store = V;
    }
  *First = *Store;
  *Store = Pivot;
  quicksort(First, Store);
  quicksort(Store + 1, Last);
}
extern "C" __global__ void quicksorts(int *Values, int Count) {
  int *First = Values + (blockIdx.x * blockDim.x + threadIdx.x) * Count;
  quicksort(First, First + Count);
}

__device__ __noinline__ bool isOdd(unsigned N);
__device__ __noinline__ bool isEven(unsigned N) {
  return N == 0 || isOdd(N - 1);
}
__device__ __noinline__ bool isOdd(unsigned N) {
  return N != 0 && isEven(N - 1);
}
extern "C" __global__ void parity(const unsigned *N, unsigned *Out) {
  Out[threadIdx.x] = isEven(N[threadIdx.x]) * 2 + isOdd(N[threadIdx.x]);
}

// An expression tree of virtual functions on the heap.
struct Node {
  __device__ virtual double value(double X) const = 0;
  __device__ virtual ~Node() {}
};
struct Leaf : Node {
  double C;
  __device__ Leaf(double C) : C(C) {}
  __device__ double value(double X) const override { return C + X; }
};
struct Sum : Node {
  Node *A, *B;
  __device__ Sum(Node *A, Node *B) : A(A), B(B) {}
  __device__ double value(double X) const override {
    return A->value(X + 1) + B->value(X);
  }
  __device__ ~Sum() override {
    delete A;
    delete B;
  }
};
struct Product : Node {
  Node *A, *B;
  __device__ Product(Node *A, Node *B) : A(A), B(B) {}
  __device__ double value(double X) const override {
    return A->value(X) * B->value(X - 1);
  }
  __device__ ~Product() override {
    delete A;
    delete B;
  }
};
__device__ __noinline__ Node *build(int Depth, unsigned Seed) {
  if (!Depth)
    return new Leaf(double(Seed % 7) / 4);
  Node *A = build(Depth - 1, Seed * 3 + 1);
  Node *B = build(Depth - 1 - (Depth > 1 && Seed % 2), Seed * 5 + 2);
  return Seed % 3 ? static_cast<Node *>(new Sum(A, B)) : new Product(A, B);
}
extern "C" __global__ void expressions(const int *Depth, double *Out) {
  int I = blockIdx.x * blockDim.x + threadIdx.x;
  Node *N = build(Depth[I], I);
  Out[I] = N->value(I);
  delete N;
}
