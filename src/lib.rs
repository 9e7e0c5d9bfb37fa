//! deletion-desk
pub mod case;
pub mod classify;
pub mod clock;
pub mod mail;
