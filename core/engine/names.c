/* SPDX-License-Identifier: MIT */
/*
 * core/engine/names.c - a mood and the name of somebody who found something out
 */
#include "engine/names.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>

static const char *const moods[] = {
	"able", "agile", "airy", "alert", "amber", "ample", "apt", "artful", "avid", "awake",
	"balmy", "bold", "brave", "breezy", "brief", "bright", "brisk", "bronze", "buoyant",
	"busy", "calm", "candid", "careful", "cheery", "chief", "civil", "clean", "clear",
	"clever", "cosy", "crafty", "crisp", "curious", "dapper", "daring", "dear", "deft",
	"dewy", "direct", "droll", "eager", "early", "earnest", "easy", "elated", "elder",
	"fair", "famed", "fearless", "fine", "fleet", "fluent", "fond", "frank", "free",
	"fresh", "frosty", "gallant", "gentle", "giddy", "glad", "golden", "graceful", "grand",
	"green", "gusty", "handy", "happy", "hardy", "hasty", "hearty", "helpful", "honest",
	"hopeful", "humble", "hushed", "ideal", "jaunty", "jolly", "jovial", "joyful", "keen",
	"kind", "learned", "lenient", "light", "limber", "lively", "loyal", "lucid", "lucky",
	"lunar", "lush", "mellow", "merry", "mighty", "mild", "mindful", "modest", "nautical",
	"neat", "new", "nimble", "noble", "open", "patient", "placid", "plucky", "polite",
	"prime", "proud", "pure", "quick", "quiet", "rapid", "ready", "regal", "robust",
	"rosy", "royal", "rustic", "salty", "sandy", "serene", "sharp", "shy", "silent",
	"silver", "sleek", "smart", "smooth", "snug", "sober", "solar", "sound", "spry",
	"stable", "steady", "stoic", "sturdy", "subtle", "sunny", "sure", "swift", "tender",
	"tidal", "tidy", "tranquil", "trusty", "upbeat", "valiant", "vivid", "warm", "wary",
	"wavy", "wise", "witty", "worthy", "zesty",
};

static const char *const people[] = {
	"abel", "adleman", "agnesi", "airy", "alhazen", "amdahl", "ampere", "anning",
	"antonelli", "apgar", "archimedes", "aristarchus", "arrhenius", "artin", "aryabhata",
	"atiyah", "avogadro", "babbage", "backus", "ball", "banach", "banneker", "banting",
	"bardeen", "bartik", "bassi", "bayes", "becquerel", "bell", "berners", "bernoulli",
	"berzelius", "bhaskara", "blackburn", "blackwell", "bohr", "boltzmann", "bolyai",
	"bolzano", "boole", "borg", "born", "bose", "boyle", "bragg", "brahe", "brahmagupta",
	"brattain", "brouwer", "buck", "bunsen", "burnell", "cantor", "cardano", "carnot",
	"carson", "carver", "cauchy", "cavendish", "cerf", "chadwick", "chandra", "chatelet",
	"chebyshev", "church", "clarke", "clausius", "cocke", "cohn", "compton", "conway",
	"cooley", "copernicus", "cori", "coulomb", "cox", "crick", "curie", "cuvier", "dalton",
	"darwin", "davy", "dedekind", "democritus", "denning", "descartes", "dewar",
	"dijkstra", "diophantus", "dirac", "doppler", "earle", "easley", "eckert", "eddington",
	"edison", "ehrlich", "einstein", "elion", "engelbart", "erdos", "euclid", "euler",
	"faraday", "fermat", "fermi", "feynman", "fisher", "fizeau", "fleming", "floyd",
	"foucault", "fourier", "franklin", "fraunhofer", "frege", "fresnel", "galileo",
	"galois", "galton", "galvani", "gauss", "germain", "gibbs", "glenn", "goeppert",
	"goldberg", "goldstine", "golgi", "goodall", "gosset", "green", "haber", "hadamard",
	"haibt", "halley", "hamilton", "hamming", "harvey", "hawking", "heaviside",
	"heisenberg", "helmholtz", "henry", "heron", "herschel", "hertz", "hilbert",
	"hipparchus", "hoare", "hodgkin", "holberton", "hooke", "hopper", "hubble", "huffman",
	"huxley", "huygens", "hypatia", "ibn", "iverson", "jackson", "jacobi", "jemison",
	"jenner", "jennings", "johnson", "joliot", "joule", "kahn", "kapitsa", "keldysh",
	"keller", "kelvin", "kepler", "khayyam", "khorana", "kilby", "kirch", "kleene",
	"klein", "knuth", "koch", "kolmogorov", "kovalevskaya", "lagrange", "lalande",
	"lamarr", "landau", "laplace", "lavoisier", "leavitt", "leeuwenhoek", "legendre",
	"lehmann", "leibniz", "levi", "liskov", "lister", "lobachevsky", "lorentz", "lovelace",
	"lyell", "maathai", "mach", "malpighi", "marconi", "margulis", "markov", "maxwell",
	"mayer", "mccarthy", "mcclintock", "mclean", "meitner", "mendel", "mendeleev",
	"michelson", "milner", "minkowski", "minsky", "mirzakhani", "moebius", "monge",
	"montalcini", "moore", "moser", "napier", "nash", "nernst", "newell", "newton",
	"nightingale", "nobel", "noether", "noyce", "ohm", "oppenheimer", "oresme", "ostrom",
	"pappus", "pare", "pascal", "pasteur", "pauli", "pauling", "payne", "peano", "pearson",
	"perlis", "perlman", "planck", "plato", "pliny", "poincare", "poisson", "poncelet",
	"priestley", "ptolemy", "pythagoras", "rabin", "raman", "ramanujan", "ramsay",
	"rayleigh", "rhodes", "ride", "riemann", "ritchey", "ritchie", "roentgen", "rosalind",
	"rubin", "russell", "rutherford", "sabin", "saha", "salk", "sammet", "sanger",
	"schroedinger", "shannon", "shaw", "shockley", "siemens", "simon", "sinoussi", "snell",
	"snyder", "soddy", "somerville", "spence", "steiner", "stibitz", "stokes", "strutt",
	"sutherland", "swan", "swartz", "swirles", "sylvester", "taussig", "taylor",
	"tereshkova", "tesla", "thales", "theaetetus", "thompson", "thomson", "torricelli",
	"torvalds", "tu", "turing", "varahamihira", "vaughan", "vesalius", "viete", "villani",
	"virchow", "volta", "volterra", "wallis", "watson", "watt", "weber", "wegener",
	"weierstrass", "weyl", "wheeler", "whitney", "wiener", "wilbur", "wiles", "wilkes",
	"williams", "wing", "wirth", "wozniak", "wright", "wu", "yalow", "yonath", "young",
	"zeeman", "zermelo", "zhukovsky",
};

static unsigned int below(size_t n)
{
	unsigned int r;

	random_bytes(&r, sizeof(r));
	return (unsigned int)(r % n);
}

void names_generate(char *out, size_t n, int attempt)
{
	char digit[8] = "";

	if (attempt)
		snprintf(digit, sizeof(digit), "%u", below(10));
	snprintf(out, n, "%s_%s%s", moods[below(ARRAY_SIZE(moods))], people[below(ARRAY_SIZE(people))],
		digit);
}

bool name_ok(const char *name)
{
	const char *c;

	if (!isalnum((unsigned char)*name) || !name[1])
		return false;
	for (c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
			return false;
	return c - name <= 255;
}
