// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matrix products and Einsum.
#include "Builders.h"

using namespace mlir;

namespace dlc::onnx {

/// x * factor; integers need an integral factor.
static FailureOr<Value> scaled(NodeContext &ctx, Value x, StringRef name) {
  double factor = ctx.getFloat(name, 1);
  if (factor == 1 || !x) {
    return x;
  }
  bool isFloat = isa<FloatType>(GraphBuilder::elementOf(x));
  if (!isFloat && factor != static_cast<int64_t>(factor)) {
    return ctx.unsupported(name + " of integers that is not integral");
  }
  return ctx.b.binary(Fn::mul, x, factor);
}

LogicalResult buildGemm(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  if (ctx.rank(0) != 2 || ctx.rank(1) != 2) {
    return ctx.invalid("expected matrices, got ranks " + Twine(ctx.rank(0)) +
                       " and " + Twine(ctx.rank(1)));
  }
  enum : unsigned { M, N, K };
  SmallVector<unsigned> lhs{M, K}, rhs{K, N};
  if (ctx.getFlag("transA")) {
    lhs = {K, M};
  }
  if (ctx.getFlag("transB")) {
    rhs = {N, K};
  }
  FailureOr<Value> product = scaled(
      ctx, b.contract(ctx.input(0), lhs, ctx.input(1), rhs, {M, N}), "alpha");
  FailureOr<Value> addend = scaled(ctx, ctx.input(2), "beta");
  if (failed(product) || failed(addend)) {
    return failure();
  }
  if (!*addend) {
    return ctx.results(*product);
  }
  if (GraphBuilder::rankOf(*addend) > 2) {
    return ctx.invalid("expected C of rank 2 at most, got " +
                       Twine(GraphBuilder::rankOf(*addend)));
  }
  // C repeats where the product does not, never the other way round.
  Value wide = b.broadcastInto(*addend, b.sizes(*product));
  return ctx.results(wide ? b.binary(Fn::add, *product, wide) : nullptr);
}

LogicalResult buildMatMul(NodeContext &ctx) {
  return ctx.results(ctx.b.matmul(ctx.input(0), ctx.input(1)));
}

/// The zero point of input `i`, none or of one number (then a scalar), or one
/// for each row of A or each column of B, of which there are as many as `dim`
/// says.
static FailureOr<Value> matmulZeroPoint(NodeContext &ctx, unsigned i,
                                        int64_t dim) {
  GraphBuilder &b = ctx.b;
  Value zero = ctx.input(i), matrix = ctx.input(i - 2);
  if (!zero || ctx.rank(i) == 0) {
    return zero;
  }
  if (ctx.rank(i) > 1) {
    return ctx.unsupported("a zero point of rank " + Twine(ctx.rank(i)));
  }
  OpFoldResult count = b.size(zero, 0);
  if (isConstantIntValue(count, 1)) {
    return b.reshape(zero, {});
  }
  if (dim < 0) {
    return zero;
  }
  OpFoldResult expected = b.size(matrix, dim);
  if (!getConstantIntValue(count)) {
    // A vector of unknown length may turn out to have one element.
    zero = b.expand(zero, {expected});
    return zero ? FailureOr<Value>(zero) : FailureOr<Value>(failure());
  }
  if (failed(b.checkEqual(count, expected, "the zero points"))) {
    return failure();
  }
  return zero;
}

LogicalResult buildMatMulInteger(NodeContext &ctx) {
  FailureOr<Value> zeroA = matmulZeroPoint(ctx, 2, ctx.rank(0) - 2),
                   zeroB = matmulZeroPoint(ctx, 3, ctx.rank(1) - 1);
  if (failed(zeroA) || failed(zeroB)) {
    return failure();
  }
  return ctx.results(ctx.b.matmul(ctx.input(0), ctx.input(1),
                                  ctx.b.getI32Type(), *zeroA, *zeroB));
}

namespace {
/// A tensor whose dims have labels: letters, or 256 + i for dim i of the
/// ellipsis, counted from its end.
struct Term {
  Value tensor;
  SmallVector<unsigned> labels;
};
} // namespace

static constexpr unsigned kEllipsis = 256;

/// Labels of one term of the equation for a tensor of that rank.
static FailureOr<SmallVector<unsigned>>
parseTerm(NodeContext &ctx, StringRef text, int64_t rank, bool isResult) {
  SmallVector<unsigned> labels;
  int64_t letters = llvm::count_if(text, llvm::isAlpha);
  int64_t covered = isResult ? rank : rank - letters;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("...")) {
      i += 2;
      for (int64_t dim = covered; dim > 0; --dim) {
        labels.push_back(kEllipsis + dim - 1);
      }
    } else if (llvm::isAlpha(text[i])) {
      labels.push_back(static_cast<unsigned char>(text[i]));
    } else {
      return ctx.invalid("expected letters in the equation, got '" + text +
                         "'");
    }
  }
  if (!isResult && static_cast<int64_t>(labels.size()) != rank) {
    return ctx.invalid("expected a term of " + Twine(rank) +
                       " dims in the equation, got '" + text + "'");
  }
  return labels;
}

/// Keeps the diagonal of dims with one label.
static void takeDiagonals(GraphBuilder &b, Term &term) {
  for (size_t i = 0; i < term.labels.size(); ++i) {
    for (size_t j = term.labels.size() - 1; j > i; --j) {
      if (term.labels[i] != term.labels[j] || !term.tensor) {
        continue;
      }
      Sizes all = b.sizes(term.tensor), plane(all.size(), b.index(1));
      if (failed(b.checkEqual(all[i], all[j], "dims of one label"))) {
        term.tensor = {};
        return;
      }
      plane[i] = all[i];
      plane[j] = all[j];
      Type index = b.getI64Type();
      Value onDiagonal =
          b.binary(Fn::eq, b.iota(plane, i, index), b.iota(plane, j, index));
      Value kept = b.elementwise(
          Fn::select, {onDiagonal, term.tensor,
                       b.scalar(GraphBuilder::elementOf(term.tensor), 0)});
      term.tensor =
          b.reduce(nn::ReduceKind::sum, kept, {static_cast<int64_t>(j)}, false);
      term.labels.erase(term.labels.begin() + j);
    }
  }
}

/// Sums all labels of the term that `keep` lacks.
static void sumOthers(GraphBuilder &b, Term &term,
                      llvm::ArrayRef<unsigned> keep) {
  SmallVector<int64_t> axes;
  SmallVector<unsigned> left;
  for (auto [i, label] : llvm::enumerate(term.labels)) {
    if (llvm::is_contained(keep, label)) {
      left.push_back(label);
    } else {
      axes.push_back(i);
    }
  }
  if (!axes.empty()) {
    term.tensor = b.reduce(nn::ReduceKind::sum, term.tensor, axes, false);
    term.labels = left;
  }
}

/// One contraction of two terms that leaves the labels `keep`.
static Term contractTerms(GraphBuilder &b, const Term &lhs, const Term &rhs,
                          llvm::ArrayRef<unsigned> keep) {
  Term result;
  SmallVector<unsigned> loops;
  auto loopsOf = [&](llvm::ArrayRef<unsigned> labels) {
    return llvm::map_to_vector(labels, [&](unsigned label) {
      auto *found = llvm::find(loops, label);
      unsigned loop = found - loops.begin();
      if (found == loops.end()) {
        loops.push_back(label);
      }
      return loop;
    });
  };
  SmallVector<unsigned> lhsLoops = loopsOf(lhs.labels),
                        rhsLoops = loopsOf(rhs.labels);
  for (unsigned label : loops) {
    if (llvm::is_contained(keep, label)) {
      result.labels.push_back(label);
    }
  }
  // In the order that is asked for, where all of it is here.
  if (keep.size() == result.labels.size()) {
    result.labels.assign(keep.begin(), keep.end());
  }
  SmallVector<unsigned> resultLoops = loopsOf(result.labels);
  result.tensor =
      b.contract(lhs.tensor, lhsLoops, rhs.tensor, rhsLoops, resultLoops);
  return result;
}

LogicalResult buildEinsum(NodeContext &ctx) {
  GraphBuilder &b = ctx.b;
  std::string equation;
  for (char c : ctx.getString("equation", "")) {
    if (c != ' ') {
      equation += c;
    }
  }
  auto [left, right] = StringRef(equation).split("->");
  bool isExplicit = StringRef(equation).contains("->");
  SmallVector<StringRef> texts;
  left.split(texts, ',');
  if (texts.size() != ctx.numInputs()) {
    return ctx.invalid("expected " + Twine(ctx.numInputs()) +
                       " terms in the equation, got " + Twine(texts.size()));
  }
  SmallVector<Term> terms;
  int64_t ellipsis = 0;
  for (auto [i, text] : llvm::enumerate(texts)) {
    FailureOr<SmallVector<unsigned>> labels =
        parseTerm(ctx, text, ctx.rank(i), false);
    if (failed(labels)) {
      return failure();
    }
    ellipsis =
        std::max<int64_t>(ellipsis, llvm::count_if(*labels, [](unsigned label) {
                            return label >= kEllipsis;
                          }));
    terms.push_back({ctx.input(i), *labels});
    takeDiagonals(b, terms.back());
  }
  SmallVector<unsigned> result;
  if (isExplicit) {
    FailureOr<SmallVector<unsigned>> labels =
        parseTerm(ctx, right, ellipsis, true);
    if (failed(labels)) {
      return failure();
    }
    result = *labels;
  } else { // the ellipsis, then what occurs once, in alphabetical order
    for (int64_t dim = ellipsis; dim > 0; --dim) {
      result.push_back(kEllipsis + dim - 1);
    }
    for (unsigned letter = 0; letter < kEllipsis; ++letter) {
      if (llvm::count(left, static_cast<char>(letter)) == 1 &&
          llvm::isAlpha(letter)) {
        result.push_back(letter);
      }
    }
  }
  for (unsigned label : result) {
    if (llvm::none_of(terms,
                      [&](const Term &term) {
                        return llvm::is_contained(term.labels, label);
                      }) ||
        llvm::count(result, label) > 1) {
      return ctx.invalid("expected each label of the result once, and in an "
                         "operand");
    }
  }
  // Left to right; a label is summed as soon as no later term has it.
  Term current = terms.front();
  for (size_t i = 1; i < terms.size(); ++i) {
    SmallVector<unsigned> keep = result;
    for (const Term &later : llvm::ArrayRef(terms).drop_front(i + 1)) {
      llvm::append_range(keep, later.labels);
    }
    current = contractTerms(b, current, terms[i], keep);
  }
  if (!current.tensor) {
    return failure();
  }
  sumOthers(b, current, result);
  SmallVector<int64_t> permutation;
  for (unsigned label : result) {
    permutation.push_back(llvm::find(current.labels, label) -
                          current.labels.begin());
  }
  return ctx.results(b.transpose(current.tensor, permutation));
}

} // namespace dlc::onnx
