// Keys: one letter, one action. Pages have tables of `[key, what it does, action]`, from which the help is made.

/** Listens for the keys that `tables` gives; letters typed into fields are left alone. */
export function listen(tables) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (field && field.type !== "checkbox") {
      if (event.key === "Escape") field.blur();
      return;
    }
    const found = tables().flat().find(([keys]) => keys.split(" ").includes(event.key));
    if (!found) return;
    event.preventDefault();
    found[2](event.key);
  });
}
