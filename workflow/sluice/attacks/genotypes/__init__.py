"""From expression to genotype: who in a gallery of genotypes a released profile belongs to.

Genotypes are an input of these attacks and never release content. One file an idea:

- `vcf`, `variants`, `expression`, `donors`: what is read, and how donors and variants are matched;
- `normalise`, `eqtl`: what the attacker learns from a panel of donors whose both are known;
- `bayes`, `extremity`, `carriers`: three published attacks on a released matrix (`matrix`);
- `profile`: the adaptive attack, for anything that is computed from a matrix;
- `genome`, `products`, `linking`: the gate at genome scale.
"""
