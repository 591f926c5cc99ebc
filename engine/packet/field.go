package packet

// Field is a number in a header that is usually right by itself: 0 stands for the right one, any other value is written
// as it is, and Zero and Wrong stand for themselves.
type Field uint32

// Zero writes 0, where 0 alone would mean the right value. Wrong writes a value that differs from the right one and is
// not 0.
const (
	Zero  Field = 1 << 31
	Wrong Field = 1 << 30
)

// Is writes n, also when it is 0: for numbers that a program computes.
func Is(n uint16) Field {
	if n == 0 {
		return Zero
	}
	return Field(n)
}

// or is what is written when right is the right value.
func (f Field) or(right uint16) uint16 {
	switch f {
	case 0:
		return right
	case Zero:
		return 0
	case Wrong:
		if right == 1 {
			return 2
		}
		return right ^ 1
	}
	return uint16(f)
}

// or8 is or for a field of 8 bits or less.
func (f Field) or8(right uint8) uint8 { return uint8(f.or(uint16(right))) }
