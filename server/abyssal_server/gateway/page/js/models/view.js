export async function show(frame) { frame.title("…"); }
