package push

// Host is a hub as transports see it.
type Host = Hub

// Of gives it.
func Of(hub *Hub) *Host { return hub }
