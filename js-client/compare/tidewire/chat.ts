import { connect } from "tidewire";

const push = connect<{ chat: Line }>("/push");
push.subscribe("chat", { message: ({ data }) => show(data), gap: clear }, { recent: 50 });

export const say = (text: string) => push.send("chat", { text }).catch((error) => failed(text, error));
