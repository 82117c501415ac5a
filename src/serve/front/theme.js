// Light or dark: as the system has it, until somebody chooses.

const CHOICES = ["", "light", "dark"];
const NAMES = { "": "as the system has it", light: "light", dark: "dark" };

const chosen = () => {
  try {
    return localStorage.getItem("saescript-theme") ?? "";
  } catch {
    return document.documentElement.dataset.theme ?? "";
  }
};

/** Shows the page in the chosen theme. */
export function applyTheme(choice = chosen()) {
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  dispatchEvent(new Event("themechange"));
}

/** Takes the next theme, and returns what it is called. */
export function nextTheme() {
  const next = CHOICES[(CHOICES.indexOf(chosen()) + 1) % CHOICES.length];
  try {
    localStorage.setItem("saescript-theme", next);
  } catch {
    // A page that may store nothing keeps the choice while it is open.
  }
  applyTheme(next);
  return NAMES[next];
}
