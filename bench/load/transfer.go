package main

import (
	"syscall"
	"unsafe"
)

// transfer reads or writes, as trap says, what the socket fd can do at once. It makes the system
// call without telling the scheduler, which syscall.Read does in case a call takes long; the
// sockets of package net never block, and the notice would cost as much as the rest of the
// scheduling.
func transfer(trap uintptr, fd int, buffer []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(trap,
			uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(len(buffer)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN // without boxing errno
		default:
			return 0, errno
		}
	}
}
