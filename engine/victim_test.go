package engine

const victimVariable = "HAIRPIN_TEST_VICTIM"

func victim(string) error { return nil }
