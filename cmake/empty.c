/* A library of layers alone needs one source of its own; the layers hold the code. */
typedef int sup_empty_translation_unit;
