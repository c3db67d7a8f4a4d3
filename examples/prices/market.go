package main

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// quote is the value of a symbol.
type quote struct {
	Price float64 `json:"price"`
	Open  float64 `json:"open"` // the first price
	At    int64   `json:"at"`   // when the price was made, in milliseconds since 1970
}

// market is what symbols cost. Each price walks at random.
type market struct {
	symbols []string // static
	quotes  map[string]quote
	random  *rand.Rand
}

const (
	heads = "AL BE CO DA EL FA GO HY IN JO KA LU MI NO OR PA RI SO TE VA"
	tails = "CO DX FN GT LM NS PR RX TK ZE"

	leastOpen, greatestOpen = 5, 500
	leastPrice              = 0.01
	spread                  = 0.0006 // of one change: the standard deviation, as a part of the price
)

// newMarket opens a market of 200 symbols, all of which have a price.
func newMarket(random *rand.Rand, now time.Time) *market {
	m := &market{quotes: map[string]quote{}, random: random}
	for head := range strings.FieldsSeq(heads) {
		for tail := range strings.FieldsSeq(tails) {
			symbol := head + tail
			open := cents(leastOpen + (greatestOpen-leastOpen)*math.Pow(random.Float64(), 2))
			m.symbols = append(m.symbols, symbol)
			m.quotes[symbol] = quote{open, open, now.UnixMilli()}
		}
	}
	return m
}

// step changes the price of a symbol.
func (m *market) step(now time.Time) (symbol string, q quote) {
	symbol = m.symbols[m.random.IntN(len(m.symbols))]
	q = m.quotes[symbol]
	q.Price = max(leastPrice, cents(q.Price*(1+spread*m.random.NormFloat64())))
	q.At = now.UnixMilli()
	m.quotes[symbol] = q
	return symbol, q
}

func cents(price float64) float64 { return math.Round(price*100) / 100 }
