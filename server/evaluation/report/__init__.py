"""The verdict, and a report that anybody can read, print and keep: one HTML file, one PDF."""
