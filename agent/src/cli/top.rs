//! `sluice top`: the containers of the running agent, busiest first, while it runs.

use std::cmp::Reverse;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style, Stylize as _};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row, Table, TableState};
use ratatui::{DefaultTerminal, Frame};
use sluice::observe::{ContainerView, bytes, control};
use tokio::runtime::Runtime;

use super::exit::Code;
use super::{ExitError, Question};

/// Between two questions to the agent.
const REFRESH: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Rate,
    Lag,
    Name,
}

struct View {
    rows: Vec<ContainerView>,
    /// Why the last question had no answer.
    fault: Option<String>,
    order: Order,
    table: TableState,
}

/// Shows the view until `q`, Escape or Ctrl-C.
pub(super) fn top(question: &Question) -> Result<(), ExitError> {
    let state_dir = question.state_dir()?;
    if !std::io::stdout().is_terminal() {
        let text = "standard output is no terminal; `sluice containers` lists the same once";
        return Err(ExitError::new(Code::Usage, text));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| ExitError::new(Code::Unavailable, fault))?;
    // The first question before the screen changes, so that its fault stays to be read.
    let rows = runtime.block_on(control::fetch(&state_dir, "/containers"))?;
    let mut view = View { rows, fault: None, order: Order::Rate, table: TableState::default() };
    let mut terminal = ratatui::init();
    let result = watch(&mut terminal, &mut view, &runtime, &state_dir);
    ratatui::restore();
    result.map_err(|fault| ExitError::new(Code::Unavailable, fault))
}

fn watch(
    terminal: &mut DefaultTerminal,
    view: &mut View,
    runtime: &Runtime,
    state_dir: &Path,
) -> std::io::Result<()> {
    let mut asked = Instant::now();
    loop {
        view.sort();
        terminal.draw(|frame| view.draw(frame))?;
        if event::poll(REFRESH.saturating_sub(asked.elapsed()))? {
            if let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && view.press(key)
            {
                return Ok(());
            }
            continue;
        }
        asked = Instant::now();
        match runtime.block_on(control::fetch(state_dir, "/containers")) {
            Ok(rows) => (view.rows, view.fault) = (rows, None),
            Err(fault) => view.fault = Some(fault.to_string()),
        }
    }
}

impl View {
    /// Whether it ends the view.
    fn press(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('r') => self.order = Order::Rate,
            KeyCode::Char('l') => self.order = Order::Lag,
            KeyCode::Char('n') => self.order = Order::Name,
            KeyCode::Down | KeyCode::Char('j') => self.table.select_next(),
            KeyCode::Up | KeyCode::Char('k') => self.table.select_previous(),
            _ => {}
        }
        false
    }

    fn sort(&mut self) {
        match self.order {
            Order::Rate => self.rows.sort_by_key(|row| Reverse(row.bytes_per_second)),
            Order::Lag => self.rows.sort_by_key(|row| Reverse(row.lag_bytes)),
            Order::Name => self.rows.sort_by(|a, b| a.name.cmp(&b.name)),
        }
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let areas = [Constraint::Length(1), Constraint::Min(2), Constraint::Length(1)];
        let [head, body, foot] = Layout::vertical(areas).areas(frame.area());
        frame.render_widget(self.summary(), head);
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        let widths = [
            Constraint::Fill(3),
            Constraint::Length(12),
            Constraint::Length(12),
            Constraint::Length(12),
            Constraint::Fill(2),
            Constraint::Length(8),
            Constraint::Length(10),
            Constraint::Fill(3),
        ];
        let titles = [
            "container",
            "id",
            "rate",
            "lag",
            "target",
            "state",
            "news by",
            "not collected because",
        ];
        let table = Table::new(rows, widths)
            .header(Row::new(titles).style(Style::new().add_modifier(Modifier::BOLD)))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(table, body, &mut self.table);
        frame.render_widget("q quit   r by rate   l by lag   n by name   ↑ ↓ move".dim(), foot);
    }

    fn summary(&self) -> Line<'_> {
        if let Some(fault) = &self.fault {
            return fault.as_str().red().into();
        }
        let collected = self.rows.iter().filter(|row| row.collected).count();
        let rate: u64 = self.rows.iter().map(|row| row.bytes_per_second).sum();
        let lag: u64 = self.rows.iter().map(|row| row.lag_bytes).sum();
        let all = self.rows.len();
        format!(
            "{collected} of {all} containers collected   {}/s   lag {}",
            bytes(rate),
            bytes(lag)
        )
        .into()
    }
}

fn row(view: &ContainerView) -> Row<'_> {
    let style = match (view.collected, view.lag_bytes) {
        (false, _) => Style::new().dim(),
        (true, LAG_SHOWN..) => Style::new().yellow(),
        (true, _) => Style::new(),
    };
    Row::new([
        Cell::from(view.name.as_str()),
        Cell::from(view.id.get(..12).unwrap_or(&view.id)),
        Cell::from(format!("{}/s", bytes(view.bytes_per_second))),
        Cell::from(bytes(view.lag_bytes)),
        Cell::from(view.target.as_deref().unwrap_or("-")),
        Cell::from(view.state.as_str()),
        Cell::from(view.rung.as_deref().unwrap_or("-")),
        Cell::from(view.reason.as_deref().unwrap_or_default()),
    ])
    .style(style)
}

/// More than what is on its way.
const LAG_SHOWN: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn container(name: &str, rate: u64, lag: u64) -> ContainerView {
        ContainerView {
            name: name.to_owned(),
            id: "0123456789abcdef".to_owned(),
            bytes_per_second: rate,
            lag_bytes: lag,
            collected: true,
            ..ContainerView::default()
        }
    }

    #[test]
    fn the_busiest_come_first_and_keys_change_that() {
        let rows = vec![container("b", 1, 9), container("a", 2048, 0), container("c", 0, 0)];
        let mut view = View { rows, fault: None, order: Order::Rate, table: TableState::default() };
        let check = |view: &mut View, code: KeyCode, expect: &str| {
            assert!(!view.press(KeyEvent::new(code, KeyModifiers::NONE)));
            view.sort();
            let names: String = view.rows.iter().map(|row| row.name.as_str()).collect();
            assert_eq!(names, expect);
        };
        check(&mut view, KeyCode::Char('r'), "abc");
        check(&mut view, KeyCode::Char('l'), "bac");
        check(&mut view, KeyCode::Char('n'), "abc");
        assert!(view.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(view.press(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)));

        let mut terminal = Terminal::new(TestBackend::new(100, 6)).unwrap();
        terminal.draw(|frame| view.draw(frame)).unwrap();
        let screen = terminal.backend().to_string();
        assert!(screen.contains("3 of 3 containers collected   2.00 KiB/s   lag 9 B"), "{screen}");
        assert!(screen.contains("0123456789ab"), "{screen}");
    }
}
