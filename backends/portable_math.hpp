#pragma once
// Elementary functions that give the same on every processor, to the last bit. Those of the C library do not: it has other
// code for processors with fused multiply-add than for those without, and for each architecture, and their results differ in
// the last place. Figures and tables that are compared or coded across machines come from these. Host only; about 0.2 us each.

namespace kvstone::portable {

/// e to the power of x: correctly rounded but for one case in a million million; 0 below -745, infinity above 709.78. So are
/// the others.
double exp(double x);

/// Natural logarithm; -infinity of 0, NaN of less.
double log(double x);
double log2(double x);

/// base to the power of exponent, base > 0.
double pow(double base, double exponent);

/// Of angles up to 10^8; beyond, and of infinities, NaN.
double sin(double x);
double cos(double x);

}  // namespace kvstone::portable
