//go:build !unix

package kraft

import "context"

// lockFile locks nothing: processes that fetch at once waste time, but the rename
// at the end keeps what they fetch whole.
func lockFile(context.Context, string) (unlock func(), err error) { return func() {}, nil }
