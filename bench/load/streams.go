package main

// stream is one gRPC call in flight.
type stream struct {
	call
	id         uint32
	body       []byte // what flow control has held back of the request
	window     int64  // how much more of it the peer allows
	received   int    // bytes of the answer that were not given back yet
	httpStatus string
	status     string
	message    string
}

// streams finds the streams of one connection by their id. Ids grow by two and calls end roughly
// in the order in which they began, so a ring that is indexed by id does what a map does without
// hashing. It grows while an old stream is where a new one should go.
type streams struct {
	ring []*stream
	free []*stream
}

func newStreams() streams {
	return streams{ring: make([]*stream, 64)}
}

// add returns a clean stream with the given id.
func (s *streams) add(id uint32) *stream {
	for s.ring[s.slot(id)] != nil {
		s.grow()
	}
	var added *stream
	if last := len(s.free) - 1; last >= 0 {
		added = s.free[last]
		s.free = s.free[:last]
		*added = stream{body: added.body[:0]}
	} else {
		added = &stream{}
	}
	added.id = id
	s.ring[s.slot(id)] = added
	return added
}

// get returns the stream with the given id, or nil if there is none.
func (s *streams) get(id uint32) *stream {
	if found := s.ring[s.slot(id)]; found != nil && found.id == id {
		return found
	}
	return nil
}

// remove forgets the stream, which must not be used any more.
func (s *streams) remove(gone *stream) {
	s.ring[s.slot(gone.id)] = nil
	s.free = append(s.free, gone)
}

// each calls visit for every stream.
func (s *streams) each(visit func(*stream)) {
	for _, found := range s.ring {
		if found != nil {
			visit(found)
		}
	}
}

func (s *streams) slot(id uint32) int {
	return int(id/2) & (len(s.ring) - 1)
}

func (s *streams) grow() {
	old := s.ring
	s.ring = make([]*stream, 2*len(old))
	for _, moved := range old {
		if moved != nil {
			s.ring[s.slot(moved.id)] = moved
		}
	}
}
