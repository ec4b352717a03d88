//! The macros that turn a table of intrinsics into the vector types of one instruction set.

/// Calls intrinsics on values.
macro_rules! intrinsic {
    ($call:expr) => {{
        // SAFETY: a token or a vector of this instruction set is at hand, which proves that the
        // processor has it; the call touches no memory.
        unsafe { $call }
    }};
}
pub(crate) use intrinsic;

/// Defines a vector of floats: `name(arguments) = intrinsics` for each primitive of
/// [`Vector`](super::Vector).
///
/// The last rows may be left out where the instruction set has nothing better than the trait.
macro_rules! float_vector {
    (
        $(#[$doc:meta])*
        $name:ident($register:ty): [$scalar:ty; $lanes:literal] on $isa:ident, mask $mask:ty;
        splat($v:ident) = $splat:expr;
        read($from:ident) = $read:expr;
        write($to:ident, $w:ident) = $write:expr;
        add($aa:ident, $ab:ident) = $add:expr;
        sub($sa:ident, $sb:ident) = $sub:expr;
        mul($ma:ident, $mb:ident) = $mul:expr;
        div($da:ident, $db:ident) = $div:expr;
        neg($na:ident) = $neg:expr;
        mul_add($fa:ident, $fb:ident, $fc:ident) = $fma:expr;
        maximum($xa:ident, $xb:ident) = $max:expr;
        minimum($ia:ident, $ib:ident) = $min:expr;
        abs($ba:ident) = $abs:expr;
        copysign($ca:ident, $cb:ident) = $copysign:expr;
        sqrt($qa:ident) = $sqrt:expr;
        round($ra:ident) = $round:expr;
        floor($la:ident) = $floor:expr;
        ceil($ea:ident) = $ceil:expr;
        trunc($ta:ident) = $trunc:expr;
        less($ha:ident, $hb:ident) = $less:expr;
        less_equal($ka:ident, $kb:ident) = $less_equal:expr;
        equal($ga:ident, $gb:ident) = $equal:expr;
        select($m:ident, $yes:ident, $no:ident) = $select:expr;
        deinterleave($va:ident, $vb:ident) = $deinterleave:expr;
        write_ints($it:ident, $iw:ident) = $write_ints:expr;
        $(load_partial($lp:ident, $lc:ident, $lr:ident) = $load_partial:expr;
        store_partial($sp:ident, $sc:ident, $sw:ident) = $store_partial:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name($register);

        impl std::ops::Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                let ($aa, $ab) = (self.0, other.0);
                Self(intrinsic!($add))
            }
        }
        impl std::ops::Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                let ($sa, $sb) = (self.0, other.0);
                Self(intrinsic!($sub))
            }
        }
        impl std::ops::Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                let ($ma, $mb) = (self.0, other.0);
                Self(intrinsic!($mul))
            }
        }
        impl std::ops::Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                let ($da, $db) = (self.0, other.0);
                Self(intrinsic!($div))
            }
        }
        impl std::ops::Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                let $na = self.0;
                Self(intrinsic!($neg))
            }
        }
        impl Vector for $name {
            type Isa = $isa;
            type Scalar = $scalar;
            type Mask = $mask;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(_: $isa, $v: $scalar) -> Self {
                Self(intrinsic!($splat))
            }
            #[inline(always)]
            unsafe fn read(_: $isa, $from: *const $scalar) -> Self {
                // SAFETY: the token proves the instruction set; the caller vouches for the pointer.
                Self(unsafe { $read })
            }
            #[inline(always)]
            unsafe fn write(self, $to: *mut $scalar) {
                let $w = self.0;
                // SAFETY: the vector proves the instruction set; the caller vouches for the pointer.
                unsafe { $write }
            }
            #[inline(always)]
            fn isa(self) -> $isa {
                $isa(())
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                let ($fa, $fb, $fc) = (self.0, factor.0, term.0);
                Self(intrinsic!($fma))
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                let ($xa, $xb) = (self.0, other.0);
                Self(intrinsic!($max))
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                let ($ia, $ib) = (self.0, other.0);
                Self(intrinsic!($min))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                let $ba = self.0;
                Self(intrinsic!($abs))
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                let ($ca, $cb) = (self.0, sign.0);
                Self(intrinsic!($copysign))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                let $qa = self.0;
                Self(intrinsic!($sqrt))
            }
            #[inline(always)]
            fn round(self) -> Self {
                let $ra = self.0;
                Self(intrinsic!($round))
            }
            #[inline(always)]
            fn floor(self) -> Self {
                let $la = self.0;
                Self(intrinsic!($floor))
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                let $ea = self.0;
                Self(intrinsic!($ceil))
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                let $ta = self.0;
                Self(intrinsic!($trunc))
            }
            #[inline(always)]
            fn less(self, other: Self) -> $mask {
                let ($ha, $hb) = (self.0, other.0);
                intrinsic!($less)
            }
            #[inline(always)]
            fn less_equal(self, other: Self) -> $mask {
                let ($ka, $kb) = (self.0, other.0);
                intrinsic!($less_equal)
            }
            #[inline(always)]
            fn equal(self, other: Self) -> $mask {
                let ($ga, $gb) = (self.0, other.0);
                intrinsic!($equal)
            }
            #[inline(always)]
            fn select($m: $mask, yes: Self, no: Self) -> Self {
                let ($yes, $no) = (yes.0, no.0);
                Self(intrinsic!($select))
            }
            #[inline(always)]
            fn deinterleave(self, next: Self) -> (Self, Self) {
                let ($va, $vb) = (self.0, next.0);
                let (even, odd) = intrinsic!($deinterleave);
                (Self(even), Self(odd))
            }
            #[inline(always)]
            unsafe fn write_ints(self, $it: *mut i32) {
                let $iw = self.0;
                // SAFETY: the vector proves the instruction set; the caller vouches for the pointer.
                unsafe { $write_ints }
            }
            $(#[inline(always)]
            fn load_partial(isa: $isa, values: &[$scalar], rest: $scalar) -> Self {
                let $lr = Self::splat(isa, rest).0;
                let ($lp, $lc) = (values.as_ptr(), values.len().min($lanes));
                // SAFETY: the token proves the instruction set; the slice holds so many numbers.
                Self(unsafe { $load_partial })
            }
            #[inline(always)]
            fn store_partial(self, values: &mut [$scalar]) {
                let $sw = self.0;
                let ($sp, $sc) = (values.as_mut_ptr(), values.len().min($lanes));
                // SAFETY: the vector proves the instruction set; the slice holds so many numbers.
                unsafe { $store_partial }
            })?
        }
    };
}
pub(crate) use float_vector;

/// Defines the `i32` twin of a vector of `f32`, and the casts between the two and to `f64`.
///
/// The last rows may be left out where the instruction set has nothing better than the trait.
macro_rules! int_vector {
    (
        $(#[$doc:meta])*
        $name:ident($register:ty) beside $float:ident and $wide:ident;
        splat($v:ident) = $splat:expr;
        to_bits($tb:ident) = $to_bits:expr;
        from_bits($fb:ident) = $from_bits:expr;
        to_int($ti:ident) = $to_int:expr;
        from_int($fi:ident) = $from_int:expr;
        widen($wi:ident) = $widen:expr;
        narrow($nl:ident, $nh:ident) = $narrow:expr;
        add($aa:ident, $ab:ident) = $add:expr;
        sub($sa:ident, $sb:ident) = $sub:expr;
        and($na:ident, $nb:ident) = $and:expr;
        or($oa:ident, $ob:ident) = $or:expr;
        xor($xa:ident, $xb:ident) = $xor:expr;
        shl($la:ident, $lc:ident) = $shl:expr;
        shr($ra:ident, $rc:ident) = $shr:expr;
        read_bytes($rp:ident) = $read_bytes:expr;
        $(add_dots($du:ident, $ds:ident, $dt:ident) = $add_dots:expr;)?
        $(line($nf:ident, $nt:ident) = $line:expr;
        on_line($nn:ident, $nc:ident) = $on_line:expr;)?
        $(fused($ua:ident, $ub:ident, $uc:ident) = $fused:expr;)?
        $(clamp($ka:ident, $kl:ident, $kh:ident) = $clamp:expr;)?
        $(scale($sc:ident, $sn:ident) = $scale:expr;)?
        $(split($sp:ident) = $split:expr;)?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name($register);

        impl Bits for $float {
            type Int = $name;
            #[inline(always)]
            fn to_bits(self) -> $name {
                let $tb = self.0;
                $name(intrinsic!($to_bits))
            }
            #[inline(always)]
            fn from_bits(bits: $name) -> Self {
                let $fb = bits.0;
                Self(intrinsic!($from_bits))
            }
            #[inline(always)]
            fn to_int(self) -> $name {
                let $ti = self.0;
                $name(intrinsic!($to_int))
            }
            #[inline(always)]
            fn from_int(int: $name) -> Self {
                let $fi = int.0;
                Self(intrinsic!($from_int))
            }
            #[inline(always)]
            fn int(self, $v: i32) -> $name {
                $name(intrinsic!($splat))
            }
            #[inline(always)]
            unsafe fn read_bytes(_: Self::Isa, $rp: *const u8) -> $name {
                // SAFETY: the caller vouches for the bytes; a token is at hand, which proves that
                // the processor has the instructions.
                $name(unsafe { $read_bytes })
            }
            $(#[inline(always)]
            fn add_dots(_: Self::Isa, unsigned: $name, signed: $name, sums: $name) -> $name {
                let ($du, $ds, $dt) = (unsigned.0, signed.0, sums.0);
                $name(intrinsic!($add_dots))
            })?
            $(#[inline(always)]
            fn line(factor: Self, term: Self) -> [Self; 2] {
                let ($nf, $nt) = (factor.0, term.0);
                [Self(intrinsic!($line)); 2]
            }
            #[inline(always)]
            fn on_line(line: [Self; 2], codes: $name) -> Self {
                let ($nn, $nc) = (line[0].0, codes.0);
                Self(intrinsic!($on_line))
            })?
            #[inline(always)]
            fn widen(self) -> [$wide; 2] {
                let $wi = self.0;
                intrinsic!($widen).map($wide)
            }
            #[inline(always)]
            fn narrow(wide: [$wide; 2]) -> Self {
                let [$nl, $nh] = wide.map(|half| half.0);
                Self(intrinsic!($narrow))
            }
            $(#[inline(always)]
            fn fused(self, factor: Self, term: Self) -> Self {
                let ($ua, $ub, $uc) = (self.0, factor.0, term.0);
                Self(intrinsic!($fused))
            })?
            $(#[inline(always)]
            fn clamp(self, low: Self, high: Self) -> Self {
                let ($ka, $kl, $kh) = (self.0, low.0, high.0);
                Self(intrinsic!($clamp))
            })?
            $(#[inline(always)]
            fn scale(self, n: Self) -> Self {
                let ($sc, $sn) = (self.0, n.0);
                Self(intrinsic!($scale))
            })?
            $(#[inline(always)]
            fn split(self) -> (Self, Self) {
                let $sp = self.0;
                let (m, e) = intrinsic!($split);
                (Self(m), Self(e))
            })?
        }
        impl IntVector for $name {
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                let ($aa, $ab) = (self.0, other.0);
                Self(intrinsic!($add))
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                let ($sa, $sb) = (self.0, other.0);
                Self(intrinsic!($sub))
            }
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                let ($na, $nb) = (self.0, other.0);
                Self(intrinsic!($and))
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                let ($oa, $ob) = (self.0, other.0);
                Self(intrinsic!($or))
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                let ($xa, $xb) = (self.0, other.0);
                Self(intrinsic!($xor))
            }
            #[inline(always)]
            fn shl(self, $lc: i32) -> Self {
                let $la = self.0;
                Self(intrinsic!($shl))
            }
            #[inline(always)]
            fn shr(self, $rc: i32) -> Self {
                let $ra = self.0;
                Self(intrinsic!($shr))
            }
        }
    };
}
pub(crate) use int_vector;
