import { connect } from "tidewire";
import { state } from "tidewire/state";

const prices = state<number>(connect("/push"), "prices");
prices.onChange((symbols) => {
  for (const symbol of symbols) draw(symbol, prices.get(symbol));
});
