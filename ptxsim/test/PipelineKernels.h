// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The kernels of PipelineRaceTest, with the marks of their mutants.
#ifndef PTXSIM_TEST_PIPELINEKERNELS_H
#define PTXSIM_TEST_PIPELINEKERNELS_H

/// %r1 thread, %r2 warp, %r3 lane, %r4 tile, %r5 bars, %r6 rank in the cluster,
/// %r7 CTA, %r8 rank of the other one, %r9 lane times 4, %d0 and %d1 buffers;
/// %p1 first thread, %p2 first lane, %p3 first warp.
static const char *const Head = R"(.version 8.6
.target sm_90a
.address_size 64
.visible .entry k(.param .u64 a, .param .u64 out)
{
.reg .pred %p<16>;
.reg .b16 %h<4>;
.reg .b32 %r<64>;
.reg .b64 %d<16>;
.shared .align 128 .b8 tile[4096];
.shared .align 8 .b64 bars[8];
ld.param.u64 %d0, [a];
ld.param.u64 %d1, [out];
mov.u32 %r1, %tid.x;
shr.u32 %r2, %r1, 5;
and.b32 %r3, %r1, 31;
mov.u32 %r4, tile;
mov.u32 %r5, bars;
setp.eq.u32 %p1, %r1, 0;
setp.eq.u32 %p2, %r3, 0;
setp.eq.u32 %p3, %r2, 0;
mov.u32 %r6, %cluster_ctarank;
mov.u32 %r7, %ctaid.x;
xor.b32 %r8, %r6, 1;
shl.b32 %r9, %r3, 2;
)";

// ---- kernels ---------------------------------------------------------------
static const char *const PipeBody = R"(
@%p1 mbarrier.init.shared.b64 [%r5], 1;
@%p1 mbarrier.init.shared.b64 [%r5+8], 1;
@%p1 mbarrier.init.shared.b64 [%r5+16], /*CNT*/2;
@%p1 mbarrier.init.shared.b64 [%r5+24], /*CNT*/2;
@%p1 fence.mbarrier_init.release.cluster;
/*INITBAR*/bar.sync 0;
mov.u32 %r10, 0;
mov.u32 %r20, 0;
@!%p3 bra CONS;
@!%p2 bra END;
PL: and.b32 %r11, %r10, 1;
shr.u32 %r12, %r10, 1;
and.b32 %r13, %r12, 1;
xor.b32 %r13, %r13, /*EPAR*/1;
shl.b32 %r14, %r11, 3;
add.u32 %r15, %r5, %r14;
shl.b32 %r16, %r11, /*STAGE*/9;
add.u32 %r17, %r4, %r16;
/*EWAIT{*/PE: mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r15+16], %r13;
@!%p9 bra PE;/*}*/
mbarrier.arrive.expect_tx.shared.b64 _, [%r15], /*BYTES*/512;
shl.b32 %r18, %r10, 9;
cvt.u64.u32 %d2, %r18;
add.u64 %d2, %d0, %d2;
cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r17], [%d2], 512, [%r15];
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, /*ROUNDS*/6;
@%p8 bra PL;
bra END;
CONS:
CL: and.b32 %r11, %r10, 1;
shr.u32 %r12, %r10, 1;
and.b32 %r13, %r12, /*FPAR*/1;
shl.b32 %r14, %r11, 3;
add.u32 %r15, %r5, %r14;
shl.b32 %r16, %r11, 9;
add.u32 %r17, %r4, %r16;
/*FWAIT{*/CF: mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r15], %r13;
@!%p9 bra CF;/*}*/
/*EARLY*/
shl.b32 %r18, %r2, 7;
sub.u32 %r18, %r18, 128;
add.u32 %r18, %r18, %r17;
add.u32 %r18, %r18, %r9;
ld.shared.u32 %r19, [%r18];
add.u32 %r20, %r20, %r19;
ld.shared.u32 %r19, [%r18+256];
add.u32 %r20, %r20, %r19;
/*LATE{*//*SYNCW{*/bar.warp.sync -1;/*}*/
@%p2 mbarrier.arrive.shared.b64 _, [%r15+16];/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 6;
@%p8 bra CL;
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
END:
)";
static const char *const EpilogueBody = R"(
setp.eq.u32 %p4, %r1, 1;
setp.eq.u32 %p5, %r1, 32;
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
mov.u32 %r10, 0;
shl.b32 %r11, %r1, 2;
add.u32 %r12, %r4, %r11;
L: add.u32 %r13, %r10, %r1;
/*FENCE0*/st.shared.u32 [%r12], %r13;
/*FENCE{*/fence.proxy.async.shared::cta;/*}*/
/*BAR1{*/bar.sync 0;/*}*/
mul.lo.u32 %r14, %r10, 384;
cvt.u64.u32 %d2, %r14;
add.u64 %d2, %d1, %d2;
@%p1 cp.async.bulk.global.shared::cta.bulk_group [%d2], [%r4], 384;
/*COMMIT{*/@%p1 cp.async.bulk.commit_group;/*}*/
/*WAITR{*/@/*WHO*/%p1 cp.async.bulk.wait_group.read /*KEEP*/0;/*}*/
/*BAR2{*/bar.sync 0;/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L;
/*READ*/
)";
static const char *const TwoSlotsBody = R"(
mov.u32 %r10, 0;
shl.b32 %r11, %r1, 2;
add.u32 %r12, %r4, %r11;
L: and.b32 %r20, %r10, 1;
mul.lo.u32 %r20, %r20, /*SLOT*/384;
add.u32 %r21, %r4, %r20;
add.u32 %r12, %r21, %r11;
add.u32 %r13, %r10, %r1;
st.shared.u32 [%r12], %r13;
/*FENCE{*/fence.proxy.async.shared::cta;/*}*/
/*BAR1{*/bar.sync 0;/*}*/
mul.lo.u32 %r14, %r10, 384;
cvt.u64.u32 %d2, %r14;
add.u64 %d2, %d1, %d2;
@%p1 cp.async.bulk.global.shared::cta.bulk_group [%d2], [%r21], 384;
/*COMMIT{*/@%p1 cp.async.bulk.commit_group;/*}*/
/*WAITR{*/@/*WHO*/%p1 cp.async.bulk.wait_group.read /*KEEP*/1;/*}*/
/*BAR2{*/bar.sync 0;/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L;
@%p1 cp.async.bulk.wait_group.read 0;
)";
static const char *const MulticastBody = R"(
@%p1 mbarrier.init.shared.b64 [%r5], 1;
@%p1 mbarrier.init.shared.b64 [%r5+8], /*ECNT*/4;
@%p1 fence.mbarrier_init.release.cluster;
/*CINIT{*/barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;/*}*/
/*CBAR*/mov.u32 %r10, 0;
mov.u32 %r20, 0;
shl.b32 %r21, %r6, 8;
add.u32 %r22, %r4, %r21;
mapa.shared::cluster.u32 %r23, %r5, %r8;
@!%p3 bra CONS;
@!%p2 bra END;
PL: and.b32 %r13, %r10, 1;
xor.b32 %r14, %r13, 1;
/*EWAIT{*/PE: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p9, [%r5+8], %r14;
@!%p9 bra PE;/*}*/
mbarrier.arrive.expect_tx.shared.b64 _, [%r5], /*BYTES*/512;
shl.b32 %r18, %r10, 9;
add.u32 %r18, %r18, %r21;
cvt.u64.u32 %d2, %r18;
add.u64 %d2, %d0, %d2;
mov.b16 %h1, /*MASK*/3;
cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r22], [%d2], 256, [%r5], %h1;
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 5;
@%p8 bra PL;
bra END;
CONS:
CL: and.b32 %r13, %r10, 1;
/*FWAIT{*/CF: mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r5], %r13;
@!%p9 bra CF;/*}*/
shl.b32 %r18, %r2, 7;
sub.u32 %r18, %r18, 128;
add.u32 %r18, %r18, %r4;
add.u32 %r18, %r18, %r9;
ld.shared.u32 %r19, [%r18];
add.u32 %r20, %r20, %r19;
ld.shared.u32 %r19, [%r18+256];
add.u32 %r20, %r20, %r19;
bar.warp.sync -1;
/*LOCAL{*/@%p2 mbarrier.arrive.shared.b64 _, [%r5+8];/*}*/
/*REMOTE{*/@%p2 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r23+8];/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 5;
@%p8 bra CL;
mul.wide.u32 %d3, %r1, 4;
mad.wide.u32 %d3, %r7, 384, %d3;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
END:
bar.warp.sync -1;
/*EXIT{*/barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;/*}*/
)";
static const char *const RingBody = R"(
@%p1 mbarrier.init.shared.b64 [%r5], 1;
@%p1 mbarrier.init.shared.b64 [%r5+8], 32;
/*INIT{*/fence.mbarrier_init.release.cluster;/*}*/
barrier.cluster.arrive.relaxed.aligned;
barrier.cluster.wait.aligned;
mapa.shared::cluster.u32 %r23, %r5, %r8;
mapa.shared::cluster.u32 %r24, %r4, %r8;
add.u32 %r24, %r24, %r9;
add.u32 %r25, %r4, %r9;
mov.u32 %r10, 0;
mov.u32 %r20, 0;
L: and.b32 %r13, %r10, 1;
xor.b32 %r14, %r13, 1;
@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], /*BYTES*/128;
/*CREDIT{*/W1: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p9, [%r5+8], %r14;
@!%p9 bra W1;/*}*/
mad.lo.u32 %r15, %r10, 100, %r3;
st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r24], %r15, [%r23];
/*FULL{*/W2: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p9, [%r5], %r13;
@!%p9 bra W2;/*}*/
/*EARLY*/ ld.shared.u32 %r19, [%r25];
add.u32 %r20, %r20, %r19;
/*GIVE{*/mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r23+8];/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L;
mul.wide.u32 %d3, %r1, 4;
mad.wide.u32 %d3, %r7, 128, %d3;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
/*EXIT{*/barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;/*}*/
)";
static const char *const CopyBarrierBody = R"(
@%p1 mbarrier.init.shared.b64 [%r5], /*CNT*/96;
bar.sync 0;
mov.u32 %r10, 0;
shl.b32 %r11, %r1, 2;
add.u32 %r12, %r4, %r11;
cvt.u64.u32 %d2, %r11;
add.u64 %d2, %d2, %d0;
mov.u32 %r20, 0;
xor.b32 %r14, %r1, 64;
rem.u32 %r14, %r14, 96;
shl.b32 %r14, %r14, 2;
add.u32 %r14, %r14, %r4;
L: cp.async.ca.shared.global [%r12], [%d2], 4;
/*ARR*/cp.async.mbarrier.arrive.noinc.shared.b64 [%r5];
and.b32 %r13, %r10, /*PAR*/1;
/*W{*/W1: mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r5], %r13;
@!%p9 bra W1;/*}*/
ld.shared.u32 %r19, [%r14];
add.u32 %r20, %r20, %r19;
/*BAR{*/bar.sync 0;/*}*/
add.u64 %d2, %d2, 384;
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L;
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
)";
static const char *const CopyGroupsBody = R"(
mov.u32 %r10, 0;
shl.b32 %r11, %r1, 2;
cvt.u64.u32 %d2, %r11;
add.u64 %d2, %d2, %d0;
mov.u32 %r20, 0;
add.u32 %r12, %r4, %r11;
xor.b32 %r14, %r1, 64;
rem.u32 %r14, %r14, 96;
shl.b32 %r14, %r14, 2;
add.u32 %r14, %r14, %r4;
cp.async.ca.shared.global [%r12], [%d2], 4;
cp.async.commit_group;
cp.async.ca.shared.global [%r12+384], [%d2+384], 4;
cp.async.commit_group;
L: cp.async.wait_group /*N*/1;
/*B1{*/bar.sync 0;/*}*/
rem.u32 %r15, %r10, /*S*/3;
mul.lo.u32 %r15, %r15, 384;
add.u32 %r16, %r14, %r15;
ld.shared.u32 %r19, [%r16];
add.u32 %r20, %r20, %r19;
add.u32 %r17, %r10, 2;
rem.u32 %r18, %r17, /*S*/3;
mul.lo.u32 %r18, %r18, 384;
add.u32 %r18, %r18, %r12;
mul.lo.u32 %r17, %r17, 384;
cvt.u64.u32 %d4, %r17;
add.u64 %d4, %d4, %d2;
cp.async.ca.shared.global [%r18], [%d4], 4;
/*COM{*/cp.async.commit_group;/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L;
cp.async.wait_all;
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
)";
static const char *const PingPongBody = R"(
setp.ge.u32 %p7, %r2, 2;
@%p7 bra END;
mov.u32 %r10, 0;
add.u32 %r12, %r4, %r9;
mov.u32 %r20, 0;
@!%p3 bra SECOND;
L1: /*FIRST*/st.shared.u32 [%r12], %r10;
/*GIVE{*/bar.arrive 1, 64;/*}*/
bar.sync 2, 64;
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L1;
bra END;
SECOND: L2: bar.sync 1, 64;
/*EARLY*/ld.shared.u32 %r19, [%r12];
add.u32 %r20, %r20, %r19;
/*LATE{*/bar.arrive /*ID*/2, 64;/*}*/
add.u32 %r10, %r10, 1;
setp.lt.u32 %p8, %r10, 4;
@%p8 bra L2;
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r20;
END:
)";
static const char *const ReduceFlagBody = R"(
add.u32 %r12, %r4, %r9;
setp.gt.u32 %p7, %r1, 31;
@%p7 bra END;
st.shared.u32 [%r12], 1;
fence.proxy.async;
bar.warp.sync -1;
@%p1 cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%d1], [%r4], 128;
@%p1 cp.async.bulk.commit_group;
/*W{*/@%p1 cp.async.bulk.wait_group/*RD*/ 0;/*}*/
/*F{*/@%p1 fence.acq_rel.gpu;/*}*/
mov.u32 %r30, 0;
@%p1 atom.global.add.u32 %r30, [%d1+1024], 1;
@%p1 /*F2{*/fence.acq_rel.gpu;/*}*/
mov.u32 %r31, %r30;
setp.eq.u32 %p8, %r31, 1;
@!%p1 bra END;
@!%p8 bra END;
ld.global.u32 %r19, [%d1];
st.global.u32 [%d1+2048], %r19;
END:
)";
static const char *const GlobalLoadBody = R"(
mul.wide.u32 %d3, %r1, 4;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r1;
@%p1 mbarrier.init.shared.b64 [%r5], 1;
/*F{*/fence.proxy.async;/*}*/
/*B{*/bar.sync 0;/*}*/
@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], 384;
@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r4], [%d1], 384, [%r5];
/*W{*/W1: mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r5], 0;
@!%p9 bra W1;/*}*/
shl.b32 %r11, %r1, 2;
add.u32 %r12, %r4, %r11;
ld.shared.u32 %r19, [%r12];
st.global.u32 [%d3], %r19;
)";
static const char *const ExchangeBody = R"(
shl.b32 %r11, %r1, 2;
add.u32 %r12, %r4, %r11;
st.shared.u32 [%r12], %r1;
@%p1 mbarrier.init.shared.b64 [%r5], 1;
@%p1 mbarrier.arrive.expect_tx.shared.b64 _, [%r5], 384;
/*F{*/fence.proxy.async;/*}*/
/*C{*/barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;/*}*/
mapa.shared::cluster.u32 %r23, %r5, %r8;
mapa.shared::cluster.u32 %r24, %r4, %r8;
@%p1 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r24+/*OFF*/1024], [%r4], 384, [%r23];
/*W{*/W1: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p9, [%r5], 0;
@!%p9 bra W1;/*}*/
ld.shared.u32 %r19, [%r12+1024];
mul.wide.u32 %d3, %r1, 4;
mad.wide.u32 %d3, %r7, 384, %d3;
add.u64 %d3, %d3, %d1;
st.global.u32 [%d3], %r19;
/*REUSE*/
/*E{*/barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;/*}*/
)";

#endif
