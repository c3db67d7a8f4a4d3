// Package fleet is many clients that cost little: raw sockets and one epoll in one thread, with no goroutine for a
// client. It reads WebSockets and event streams as far as it must to find each payload, and checks that every client
// gets every publication of its topic once, whole and in order.
//
//	f, err := fleet.Connect(fleet.Options{…})
//	defer f.Close()
//	for f.Whole() < publications {
//		err = f.Poll(deadline)
//	}
//
// A publication carries its number within its topic, from 1 on; see [Payload]. Number 0 is for trying whether a client
// is there yet, and may arrive any number of times.
package fleet
